// The same first steps with viem.
// Usage: node transfer_viem.mjs URL PRIVATE_KEY ARTIFACT   prints one line of JSON

import { readFileSync } from "node:fs";
import { BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, defineChain } from "viem";
import { http, parseEther, webSocket } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const [url, key, artifactPath] = process.argv.slice(2);
const { abi, bytecode } = JSON.parse(readFileSync(artifactPath, "utf8"));

const id = await createPublicClient({ transport: http(url) }).getChainId();
const chain = defineChain({
  id,
  name: "devnet",
  nativeCurrency: { name: "coin", symbol: "ZG", decimals: 18 },
  rpcUrls: { default: { http: [url] } },
  contracts: { multicall3: { address: "0xcA11bde05977b3631167028862bE2a173976CA11" } },
});
const reader = createPublicClient({ chain, transport: http(url), pollingInterval: 50 });
const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain, transport: http(url) });
const to = privateKeyToAccount(generatePrivateKey()).address;

const hash = await wallet.sendTransaction({ to, value: parseEther("1.5") });
const receipt = await reader.waitForTransactionReceipt({ hash });

const deployed = await reader.waitForTransactionReceipt({ hash: await wallet.deployContract({ abi, bytecode }) });
const address = deployed.contractAddress;

const socket = createPublicClient({ chain, transport: webSocket(url.replace(/^http/, "ws")) });
const pushed = new Promise((resolve, reject) => {
  socket.watchContractEvent({ address, abi, eventName: "Increased", onLogs: ([log]) => resolve(log), onError: reject });
});
await socket.getBlockNumber(); // the subscription was sent before this call, which has been answered
const increase = await wallet.writeContract({ address, abi, functionName: "increase", args: [7n] });
const { blockNumber } = await reader.waitForTransactionReceipt({ hash: increase });
const [log] = await reader.getContractEvents({ address, abi, fromBlock: blockNumber, toBlock: blockNumber });

async function failure(amount) {
  try {
    await reader.simulateContract({ account, address, abi, functionName: "increase", args: [amount] });
  } catch (error) {
    const revert = error instanceof BaseError && error.walk((e) => e instanceof ContractFunctionRevertedError);
    if (!revert) throw error;
    return revert.reason ?? `${revert.data.errorName}(${revert.data.args.join(",")})`;
  }
  return null;
}

// Two reads in one eth_call, through the predeployed Multicall3 where there is one.
const read = { address, abi, functionName: "value" };
const hasMulticall = (await reader.getCode({ address: chain.contracts.multicall3.address })) !== undefined;
const values = hasMulticall
  ? await reader.multicall({ contracts: [read, { ...read, functionName: "LIMIT" }], allowFailure: false })
  : [await reader.readContract(read)];

const numbers = ({ args }) => [args.amount, args.value].map(Number);
console.log(
  JSON.stringify({
    status: receipt.status === "success" ? 1 : 0,
    block: Number(receipt.blockNumber),
    received: String(await reader.getBalance({ address: to })),
    event: numbers(log),
    pushed: numbers(await pushed),
    value: Number(values[0]),
    reason: await failure(0n),
    custom_error: await failure(2000n),
  }),
);
process.exit(0); // viem keeps its socket open
