// Compiles genesis/contracts with the pinned solc and writes one artefact a contract into
// zg_node/genesis_data/artifacts, from where the wheel takes them. `--check` writes nothing and exits with 1
// when a committed artefact is not, byte for byte, what the sources compile to.
//
//   contracts/<area>/*.sol ──solc──▶ {contract, source, source_hash, compiler, settings, abi, bytecode, runtime}

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));
const artifacts = join(here, "..", "zg_node", "genesis_data", "artifacts");

// No metadata in the code: an artefact depends on the code alone, not on comments or paths.
const usual = {
  evmVersion: "osaka",
  optimizer: { enabled: true, runs: 10000 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};
// Settings of areas that need others: their contracts fit the code size limit (EIP-170) only so.
const special = {
  staking: { ...usual, viaIR: true, optimizer: { enabled: true, runs: 200 } },
  da: { ...usual, viaIR: true, optimizer: { enabled: true, runs: 200 } },
};

/** Every source by its path below genesis, e.g. "contracts/bench/Erc20.sol". */
function readSources() {
  const sources = {};
  for (const area of readdirSync(join(here, "contracts")).sort()) {
    for (const file of readdirSync(join(here, "contracts", area)).sort()) {
      const path = posix.join("contracts", area, file);
      sources[path] = readFileSync(join(here, path), "utf8");
    }
  }
  return sources;
}

/** The source and all that it imports, directly or not, sorted. */
function closure(path, sources, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, target] of sources[path].matchAll(/^import\s[^"]*"([^"]+)";/gm)) {
    closure(posix.join(posix.dirname(path), target), sources, found);
  }
  return found;
}

/** SHA-256 over each file of the closure: its path, a zero byte, its text, a zero byte. */
function sourceHash(path, sources) {
  const hash = createHash("sha256");
  for (const name of [...closure(path, sources)].sort()) hash.update(`${name}\0${sources[name]}\0`);
  return hash.digest("hex");
}

function compile(sources, settings) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const problem of output.errors ?? []) process.stderr.write(`${problem.formattedMessage}\n`);
  if ((output.errors ?? []).length > 0) process.exit(1); // a warning is an error too
  return output.contracts;
}

function areaOf(path) {
  return path.split("/")[1];
}

/** [file name, text] of every contract of an area that has code. */
function render(area, sources) {
  const settings = special[area] ?? usual;
  const own = Object.keys(sources).filter((path) => areaOf(path) === area);
  const needed = new Set(own.flatMap((path) => [...closure(path, sources)]));
  const files = [];
  const input = Object.fromEntries([...needed].sort().map((path) => [path, sources[path]]));
  for (const [path, contracts] of Object.entries(compile(input, settings))) {
    if (areaOf(path) !== area) continue;
    for (const [contract, { abi, evm }] of Object.entries(contracts)) {
      if (evm.bytecode.object === "") continue; // an interface
      const artifact = {
        contract,
        source: path,
        source_hash: sourceHash(path, sources),
        compiler: `solc ${solc.version()}`,
        settings,
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        runtime: `0x${evm.deployedBytecode.object}`,
      };
      files.push([`${contract}.json`, `${JSON.stringify(artifact, null, 1)}\n`]);
    }
  }
  return files;
}

/** The artefacts of every area, each compiled by itself with what it imports. */
function renderAll(sources) {
  const areas = new Set(Object.keys(sources).map(areaOf));
  return [...areas].flatMap((area) => render(area, sources)).sort();
}

function readArtifacts() {
  mkdirSync(artifacts, { recursive: true });
  const names = readdirSync(artifacts).filter((name) => name.endsWith(".json"));
  return new Map(names.map((name) => [name, readFileSync(join(artifacts, name), "utf8")]));
}

const rendered = new Map(renderAll(readSources()));
const committed = readArtifacts();
const stale = [...new Set([...rendered.keys(), ...committed.keys()])]
  .filter((name) => rendered.get(name) !== committed.get(name))
  .sort();
if (process.argv.includes("--check")) {
  for (const name of stale) process.stderr.write(`${name} does not match its source: run \`make contracts\`\n`);
  process.exit(stale.length > 0 ? 1 : 0);
}
for (const name of stale) {
  if (rendered.has(name)) writeFileSync(join(artifacts, name), rendered.get(name));
  else rmSync(join(artifacts, name));
  process.stdout.write(`${rendered.has(name) ? "wrote" : "removed"} ${name}\n`);
}
process.stdout.write(`${rendered.size} artefacts are up to date\n`);
