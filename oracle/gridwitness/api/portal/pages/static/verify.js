// The page Verify: takes a proof, or a reading whose proof it fetches, and shows each check as it is made.
import { ChainError } from "./chain.js";
import { ProofError, hexOf, parseProof } from "./proof-file.js";
import { check } from "./proof.js";

const form = document.querySelector("#verify");
const [input, rpc, file] = ["#proof", "#rpc", "#proof-file"].map((id) => form.querySelector(id));
const [result, verdict, claims, statement, checks, hint] = [
  "#result",
  "#verdict",
  "#claims",
  "#statement",
  "#checks",
  "#hint",
].map((id) => document.querySelector(id));
const site = {
  chainId: Number(form.dataset.chainId),
  contracts: JSON.parse(form.dataset.contracts),
  streams: JSON.parse(form.dataset.streams),
};
const UNKNOWN_CHAIN =
  "Anybody may deploy such contracts, and open a stream in them: whether you trust these, you have to know yourself.";
let round = 0;

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function show(state, words, advice = "") {
  result.hidden = false;
  result.dataset.state = state;
  verdict.textContent = words;
  claims.textContent = !statement.hasChildNodes() ? "" : state === "good" ? "What is proven" : "What it claims";
  hint.textContent = advice;
}

function clear() {
  statement.replaceChildren();
  checks.replaceChildren();
}

function describe(proof) {
  const time = (text) =>
    new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: form.dataset.timeZone }).format(
      new Date(text),
    );
  const { statement: said } = proof;
  const rows = [["Device", said.device]];
  if (proof.kind === "reading") {
    rows.push(["Reading", `${String(said.value).replace("-", "−")} ${proof.unit}`], ["Time", time(said.time)]);
    rows.push(["Metric", said.metric], ["Counter", said.counter]);
  } else {
    rows.push(["Profile", `${said.slots} quarter hours from ${time(said.from)}`]);
    rows.push(["Energy", `${proof.energies.reduce((sum, energy) => sum + energy, 0)} Wh, import less export`]);
  }
  rows.push(["Score", `${Number(said.score_bps).toLocaleString("en-GB")} of 10,000`]);
  if (proof.explanation) rows.push(["The oracles’ words, which no hash covers", proof.explanation]);
  for (const [name, value] of rows) {
    const row = document.createElement("div");
    row.append(element("dt", name), element("dd", String(value)));
    statement.append(row);
  }
}

async function answerOf(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (response.ok) return response.text();
  const problem = await response.json().catch(() => ({}));
  throw new ProofError(`no proof of it here: ${problem.detail ?? response.statusText}`);
}

// A reading as devices post it, instead of a proof: its proof is fetched here, and must be of exactly this reading.
function readingIn(text) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  const isReading = document !== null && typeof document === "object" && "device_id" in document && "counter" in document;
  return isReading ? document : null;
}

function proofPath(device, counter) {
  if (!/^0x[0-9a-fA-F]{64}$/.test(device)) throw new ProofError("device_id is not 0x and 64 hex digits");
  if (!Number.isSafeInteger(counter) || counter < 0) throw new ProofError("counter is not a non-negative integer");
  return `/v1/proofs/readings/${device}/${counter}`;
}

function holdAgainst(reading, proof) {
  const proven = { ...proof.statement, device_id: proof.statement.device, signature: hexOf(proof.deviceSignature) };
  proven.time = proof.fields[2];
  for (const name of ["device_id", "counter", "time", "metric", "value", "signature"]) {
    const said = reading[name];
    if (said !== undefined && String(said).toLowerCase() !== String(proven[name]).toLowerCase()) {
      throw new ProofError(`the reading says ${name} is ${said}, but ${proven[name]} was attested under this counter`);
    }
  }
}

async function proofOf(text) {
  if (!text.trim()) {
    throw new ProofError("Paste a proof file or a reading, or drop one here.", { headline: "There is nothing to check yet." });
  }
  const reading = readingIn(text);
  if (!reading) return parseProof(text);
  const proof = parseProof(await answerOf(proofPath(reading.device_id, reading.counter)));
  holdAgainst(reading, proof);
  return proof;
}

async function verify() {
  const mine = ++round;
  clear();
  show("checking", "Checking …");
  try {
    const proof = await proofOf(input.value);
    if (mine !== round) return;
    describe(proof);
    const known = proof.chainId === site.chainId ? site : null;
    for await (const step of check(proof, rpc.value.trim(), known)) {
      if (mine !== round) return;
      checks.append(element("li", step));
    }
    if (known) show("good", `This ${proof.kind} is real: every check holds.`);
    else show("open", `Every check holds, but on chain ${proof.chainId}, of which this site knows nothing.`, UNKNOWN_CHAIN);
  } catch (error) {
    if (mine === round) fail(error);
  }
}

function fail(error) {
  if (!(error instanceof ProofError || error instanceof ChainError)) throw error;
  checks.append(element("li", error.message, "failed"));
  if (error instanceof ChainError) {
    const advice = "Check the node’s address; it must allow requests from other sites (CORS).";
    show("open", "The chain could not be asked, so this is not decided.", advice);
  } else show("bad", error.headline, error.hint);
}

async function take(dropped) {
  if (!dropped) return;
  if (dropped.size > 1 << 20) {
    clear();
    fail(new ProofError(`the file has ${dropped.size} bytes; a proof has at most ${1 << 20}`));
    return;
  }
  input.value = await dropped.text();
  await verify();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  verify();
});
form.querySelector("button").disabled = false; // pressed before, it would have sent the form away
file.addEventListener("change", () => take(file.files[0]));
form.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("aim");
});
form.addEventListener("dragleave", () => form.classList.remove("aim"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("aim");
  take(event.dataTransfer.files[0]);
});

// /verify?proof=/v1/proofs/… comes from a proof button: the proof is shown, and checked, like a pasted one.
const wanted = form.dataset.proofPath;
if (wanted) {
  show("checking", "Fetching the proof …");
  try {
    input.value = JSON.stringify(JSON.parse(await answerOf(wanted)), null, 2);
    await verify();
  } catch (error) {
    fail(error);
  }
}
