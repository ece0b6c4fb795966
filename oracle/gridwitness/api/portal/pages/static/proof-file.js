// The proof file (gridwitness-proof/2), read with an error that names the key that is wrong.
export const FORMAT = "gridwitness-proof/2";
const CONTRACTS = ["DeviceRegistry", "DataAttestation"];
const LEAF_TYPES = {
  reading: ["bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32"],
  profile: ["bytes32", "uint32", "uint16", "bytes32", "uint16"],
};
const NET_ENERGY_METRIC = "1-0:16.29.0";
const SLOT_SECONDS = 900n;
// Times beyond this have no ISO date of four digits.
const LAST_TIME = 253_402_300_799n;
const MOST_BATCHES = 2 ** 32 - 1;
const MOST_SIBLINGS = 64;

// `headline` says in a few words what is wrong, `hint` what to do about it.
export class ProofError extends Error {
  constructor(message, { headline = "This does not hold.", hint = "" } = {}) {
    super(message);
    this.headline = headline;
    this.hint = hint;
  }
}

export const hexOf = (bytes) => "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const bytesOf = (hex) => Uint8Array.from({ length: (hex.length - 2) / 2 }, (_, i) => parseInt(hex.substr(2 + 2 * i, 2), 16));
export const sameBytes = (a, b) => a.length === b.length && a.every((byte, index) => byte === b[index]);

const shown = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 80);

class Table {
  constructor(path, value) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw new ProofError(`${path || "the file"} is not a JSON object`);
    }
    this.path = path;
    this.values = value;
  }

  name(key) {
    return this.path ? `${this.path}.${key}` : key;
  }

  has(key) {
    return Object.hasOwn(this.values, key);
  }

  value(key) {
    if (!this.has(key)) throw new ProofError(`${this.name(key)} is missing`);
    return this.values[key];
  }

  must(key, is, what) {
    const value = this.value(key);
    if (!is(value)) throw new ProofError(`${this.name(key)} is ${shown(value)}; it must be ${what}`);
    return value;
  }

  table(key) {
    return new Table(this.name(key), this.value(key));
  }

  text(key) {
    return this.must(key, (value) => typeof value === "string", "text");
  }

  items(key) {
    return this.must(key, Array.isArray, "an array");
  }

  integer(key, most = Number.MAX_SAFE_INTEGER) {
    return this.must(key, (value) => Number.isSafeInteger(value) && value >= 0 && value <= most, "a non-negative integer");
  }

  address(key) {
    return this.must(key, (value) => /^0x[0-9a-fA-F]{40}$/.test(value), "an address");
  }

  data(key) {
    return bytes(this.name(key), this.text(key));
  }

  word(key) {
    return word(this.name(key), this.text(key));
  }

  siblings(key) {
    const items = this.items(key);
    if (items.length > MOST_SIBLINGS) throw new ProofError(`${this.name(key)} has ${items.length} siblings; a tree has at most ${MOST_SIBLINGS}`);
    return items.map((item, index) => word(`${this.name(key)}[${index}]`, item));
  }

  energies(key) {
    const isInt32 = (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
    return this.items(key).map((value, index) => {
      if (!isInt32(value)) throw new ProofError(`${this.name(key)}[${index}] is ${shown(value)}; it must be an integer`);
      return value;
    });
  }
}

function bytes(name, text) {
  if (typeof text !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(text)) {
    throw new ProofError(`${name} is ${shown(text)}; it must be 0x-hex`);
  }
  return bytesOf(text);
}

function word(name, text) {
  const value = bytes(name, text);
  if (value.length !== 32) throw new ProofError(`${name} has ${value.length} bytes; it must have 32`);
  return value;
}

function decimal(name, text, type) {
  if (typeof text !== "string" || !/^-?(0|[1-9][0-9]{0,77})$/.test(text)) {
    throw new ProofError(`${name} is ${shown(text)}; it must be a decimal integer`);
  }
  const value = BigInt(text);
  const bits = BigInt(type.replace(/\D/g, ""));
  const [low, high] = type.startsWith("u") ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
  if (value < low || value > high) throw new ProofError(`${name} is ${value}; ${type} holds ${low} to ${high}`);
  return value;
}

function leafFields(leaf, types) {
  if (JSON.stringify(leaf.items("types")) !== JSON.stringify(types)) {
    throw new ProofError(`leaf.types are ${shown(leaf.items("types"))}; they must be ${shown(types)}`);
  }
  const values = leaf.items("fields");
  if (values.length !== types.length) throw new ProofError(`leaf.fields has ${values.length} values; it must have ${types.length}`);
  return values.map((value, index) => {
    const name = `leaf.fields[${index}]`;
    return types[index] === "bytes32" ? word(name, value) : decimal(name, value, types[index]);
  });
}

function iso(time) {
  if (time > LAST_TIME) throw new ProofError(`time ${time} is not a date`);
  return new Date(Number(time) * 1000).toISOString().replace(".000", "");
}

function metricName(field) {
  return new TextDecoder().decode(field).replace(/\0+$/, "");
}

// What a metric's name ends in, Wh for net energies.
function unitOf(metric) {
  return metric === NET_ENERGY_METRIC ? "Wh" : (/:([A-Za-z]+)$/.exec(metric)?.[1] ?? "");
}

// What is proven, from the leaf's fields alone. Numbers stay BigInt, as values have up to 256 bits.
function statementOf(kind, fields) {
  if (kind === "profile") {
    const [device, firstSlot, slots, , score] = fields;
    return { device: hexOf(device), from: iso(firstSlot * SLOT_SECONDS), slots, score_bps: score };
  }
  const [device, counter, time, metric, value, score] = fields;
  return { device: hexOf(device), counter, time: iso(time), metric: metricName(metric), value, score_bps: score };
}

function checkStatement(said, proven) {
  for (const [name, value] of Object.entries(proven)) {
    const words = said.value(name);
    const isSame = typeof value === "bigint" ? Number.isInteger(words) && BigInt(words) === value : words === value;
    // What is beyond 2^53 a browser cannot read exactly; the leaf is what counts.
    const isBeyond = typeof value === "bigint" && !Number.isSafeInteger(Number(value));
    if (!isSame && !isBeyond) throw new ProofError(`the statement says ${name} is ${shown(words)}, the leaf has ${value}`);
  }
}

// A proof from its text. Throws ProofError.
export function parseProof(text) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ProofError("this is not JSON", {
      headline: "This is no proof.",
      hint: "Paste a whole proof file: it begins with { and ends with }.",
    });
  }
  const root = new Table("", document);
  if (root.text("format") !== FORMAT) throw new ProofError(`format is ${shown(root.text("format"))}; this page reads ${shown(FORMAT)}`);
  const kind = root.text("kind");
  if (!Object.hasOwn(LEAF_TYPES, kind)) throw new ProofError(`kind is ${shown(kind)}; it must be one of reading, profile`);
  const [batch, range, contracts] = [root.table("batch"), root.table("range_proof"), root.table("contracts")];
  const isReading = kind === "reading";
  const optional = (key) => (isReading && root.has(key) ? root.data(key) : new Uint8Array());
  const fields = leafFields(root.table("leaf"), LEAF_TYPES[kind]);
  const statement = statementOf(kind, fields);
  checkStatement(root.table("statement"), statement);
  return {
    kind,
    statement,
    explanation: root.text("explanation"),
    unit: isReading ? unitOf(statement.metric) : "Wh",
    chainId: root.integer("chain_id"),
    contracts: Object.fromEntries(CONTRACTS.map((name) => [name, contracts.address(name)])),
    stream: batch.word("stream"),
    seq: batch.integer("seq", MOST_BATCHES),
    root: batch.word("root"),
    meta: batch.word("meta"),
    types: LEAF_TYPES[kind],
    fields,
    treeProof: root.siblings("tree_proof"),
    rangeLength: range.integer("length", MOST_BATCHES),
    rangeProof: range.siblings("path"),
    deviceSignature: isReading ? root.data("device_signature") : new Uint8Array(),
    deviceKey: isReading ? root.word("device_key") : new Uint8Array(),
    energies: isReading ? [] : root.energies("energy_wh"),
    signedDocument: optional("signed_document"),
    gatewaySignature: optional("gateway_signature"),
    gateway: root.has("gateway") ? root.text("gateway") : "",
  };
}
