// Stores and reads blobs with the OP Stack's own alt-DA client. Argument: the server's URL.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"

	altda "github.com/ethereum-optimism/optimism/op-alt-da"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url string) error {
	ctx := context.Background()
	for _, size := range []int{1, 130_044, 3_000_000} {
		for name, client := range map[string]*altda.DAClient{
			"generic": altda.NewDAClient(url, false, false),
			"keccak":  altda.NewDAClient(url, true, true),
		} {
			blob := make([]byte, size)
			rand.New(rand.NewSource(int64(size + len(name)))).Read(blob)
			commitment, err := client.SetInput(ctx, blob)
			if err != nil {
				return fmt.Errorf("%s, %d bytes: set: %w", name, size, err)
			}
			found, err := client.GetInput(ctx, commitment)
			if err != nil {
				return fmt.Errorf("%s, %d bytes: get: %w", name, size, err)
			}
			if !bytes.Equal(found, blob) {
				return fmt.Errorf("%s, %d bytes: another blob came back", name, size)
			}
		}
	}
	for _, absent := range []altda.CommitmentData{
		altda.NewKeccak256Commitment([]byte("never stored")),
		altda.NewGenericCommitment(append([]byte{0x47}, make([]byte, 48)...)),
	} {
		_, err := altda.NewDAClient(url, true, true).GetInput(ctx, absent)
		if !errors.Is(err, altda.ErrNotFound) {
			return fmt.Errorf("%v, which was never stored: %v", absent, err)
		}
	}
	return nil
}
