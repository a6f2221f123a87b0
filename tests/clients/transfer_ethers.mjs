// A newcomer's first steps with ethers: a transfer, a contract, its events over HTTP and WebSocket, its two ways to fail.
// Usage: node transfer_ethers.mjs URL PRIVATE_KEY ARTIFACT   prints one line of JSON

import { readFileSync } from "node:fs";
import { ethers } from "ethers";

const [url, key, artifactPath] = process.argv.slice(2);
const artifact = JSON.parse(readFileSync(artifactPath, "utf8"));

const provider = new ethers.JsonRpcProvider(url, undefined, { pollingInterval: 50 });
const wallet = new ethers.NonceManager(new ethers.Wallet(key, provider));
const to = ethers.Wallet.createRandom().address;

const sent = await wallet.sendTransaction({ to, value: ethers.parseEther("1.5") });
const receipt = await sent.wait();

const factory = new ethers.ContractFactory(artifact.abi, artifact.bytecode, wallet);
const counter = await factory.deploy();
await counter.waitForDeployment();

// Contract events, as logs asked for and as logs pushed.
const socket = new ethers.WebSocketProvider(url.replace(/^http/, "ws"));
const pushed = new Promise((resolve) => {
  counter.connect(socket).on("Increased", (_by, amount, value) => resolve([amount, value]));
});
await socket.getBlockNumber(); // the subscription was sent before this call, which has been answered
const increased = await (await counter.increase(7)).wait();
const [log] = await counter.queryFilter("Increased", increased.blockNumber, increased.blockNumber);

async function failure(amount) {
  try {
    await counter.increase.staticCall(amount);
  } catch (error) {
    const { name, args } = error.revert;
    return name === "Error" ? args[0] : `${name}(${args.join(",")})`;
  }
  return null;
}

console.log(
  JSON.stringify({
    status: receipt.status,
    block: receipt.blockNumber,
    received: String(await provider.getBalance(to)),
    event: log.args.slice(1).map(Number),
    pushed: (await pushed).map(Number),
    value: Number(await counter.value()),
    reason: await failure(0),
    custom_error: await failure(2000),
  }),
);
await socket.destroy();
provider.destroy();
