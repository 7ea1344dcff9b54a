// A client of the contracts that shares no code with ours: ethers, the ABIs of `contracts/artifacts`, and what
// `docs/PROTOCOL.md` says of signatures. `tests/differential` runs it against our side, both ways.
//
//   node client.mjs open   < scene.json   opens a channel, deposits, and signs a voucher and a promise
//   node client.mjs accept < scene.json   checks a voucher and a promise, and claims both on the chain
//
// A scene is { rpcUrl, privateKey, deployment: { gnt, channels }, concentDeposit } and, for `open`,
// { payee, channelWei, depositWei, voucherWei, promise: { amount, nonce, deal, deadline } }, for `accept`,
// { payer, voucher, promise, bondWei }. Signed documents are { document, signature: [r, vs] }, as our side writes them.
// The answer is JSON on stdout. It exits 1, and says why on stderr, where it does not accept.
import { readFileSync } from "node:fs";
import {
  Contract,
  JsonRpcProvider,
  Signature,
  TypedDataEncoder,
  Wallet,
  concat,
  getAddress,
  recoverAddress,
  toBeHex,
} from "ethers";

import { types as promiseTypes } from "./documents/promise.mjs";
import { types as voucherTypes } from "./documents/voucher.mjs";

const scene = JSON.parse(readFileSync(0, "utf8"));
const provider = new JsonRpcProvider(scene.rpcUrl, undefined, { cacheTimeout: -1 });
provider.pollingInterval = 50;
const wallet = new Wallet(scene.privateKey, provider);

const contract = (name, address) => {
  const url = new URL(`../../contracts/artifacts/${name}.json`, import.meta.url);
  return new Contract(address, JSON.parse(readFileSync(url, "utf8")).abi, wallet);
};
const gnt = contract("GNT", scene.deployment.gnt);
const channels = contract("PaymentChannels", scene.deployment.channels);
const concent = contract("ConcentDeposit", scene.concentDeposit);

const { chainId } = await provider.getNetwork();
const domainOf = (name, verifyingContract) => ({ name, version: "1", chainId, verifyingContract });
const channelsDomain = domainOf("Golem PaymentChannels", scene.deployment.channels);
const concentDomain = domainOf("Golem ConcentDeposit", scene.concentDeposit);

const done = async (sent) => (await sent).wait();
const transferAndCall = (to, amount, data) => done(gnt["transferAndCall(address,uint256,bytes)"](to, amount, data));

async function signed(domain, types, document) {
  const signature = Signature.from(await wallet.signTypedData(domain, types, document));
  return { document, signature: [signature.r, signature.yParityAndS] };
}

/** Who signed. A promise or voucher does not say whose it is. */
function signerOf(domain, types, { document, signature }) {
  const digest = TypedDataEncoder.hash(domain, types, document);
  return recoverAddress(digest, Signature.from(concat(signature)));
}

function refuse(reason) {
  console.error(reason);
  process.exit(1);
}

async function open() {
  const { payee, channelWei, depositWei, voucherWei } = scene;
  await transferAndCall(channels.target, channelWei, concat([toBeHex(channelWei, 12), payee]));
  await transferAndCall(concent.target, depositWei, "0x");
  const { epoch } = await channels.channel(wallet.address, payee);
  const voucher = { payee, epoch: Number(epoch), cumulative: voucherWei };
  const promise = { provider: payee, ...scene.promise };
  return {
    voucher: await signed(channelsDomain, voucherTypes, voucher),
    promise: await signed(concentDomain, promiseTypes, promise),
  };
}

async function accept() {
  const { voucher, promise, bondWei } = scene;
  const payer = getAddress(scene.payer);
  for (const [word, by] of [
    ["voucher", signerOf(channelsDomain, voucherTypes, voucher)],
    ["promise", signerOf(concentDomain, promiseTypes, promise)],
  ]) {
    if (by !== payer) refuse(`the ${word} is signed by ${by}, not by ${payer}`);
  }
  const { payee, epoch, cumulative } = voucher.document;
  const channel = await channels.channel(payer, payee);
  if (getAddress(payee) !== wallet.address) refuse(`the voucher is for ${payee}`);
  if (BigInt(epoch) !== channel.epoch) refuse(`the voucher is of epoch ${epoch}`);
  if (BigInt(cumulative) > channel.deposit) refuse("the channel does not cover the voucher");
  const { deposit, reserved } = await concent.account(payer);
  if (BigInt(promise.document.amount) > deposit - reserved) refuse("the deposit does not cover the promise");

  const packed = concat([toBeHex(cumulative, 12), toBeHex(epoch, 4), ...voucher.signature]);
  const before = await gnt.balanceOf(wallet.address);
  await done(channels.claimMany(payee, packed));
  const paidWei = String((await gnt.balanceOf(wallet.address)) - before);

  await transferAndCall(concent.target, bondWei, "0x");
  const { amount } = promise.document;
  await done(concent.claim(promise.document, ...promise.signature, amount, amount));
  const digest = TypedDataEncoder.hash(concentDomain, promiseTypes, promise.document);
  const claim = await concent.claimOf(payer, digest);
  return { paidWei, promiseDigest: digest, claimedWei: String(claim.amount), due: Number(claim.due) };
}

const commands = { open, accept };
const command = commands[process.argv[2]];
if (!command) refuse(`say what to do: ${Object.keys(commands).join(" or ")}`);
console.log(JSON.stringify(await command()));
