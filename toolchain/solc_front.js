#!/usr/bin/env node
// A `solc` command in front of the npm package `solc` (the same compiler built for WebAssembly, same version and
// commit, same bytecode), for networks where the native compiler cannot be downloaded. It answers what solcx, Ape,
// forge and Slither ask: --version, and --standard-json with --base-path, --include-path and --allow-paths.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require(path.join(__dirname, "..", "node_modules", "solc"));

function fail(message) {
  process.stderr.write(`solc front: ${message}\n`);
  process.exit(1);
}

const roots = [];
let wantsStandardJson = false;
let inputFile = null;
const args = process.argv.slice(2);
while (args.length > 0) {
  const arg = args.shift();
  if (arg === "--version") {
    // soljson answers "0.8.37+commit.<hash>.Emscripten.clang"; solcx and forge parse the native wording.
    process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
    process.exit(0);
  } else if (arg === "--standard-json") {
    wantsStandardJson = true;
  } else if (arg === "--base-path" || arg === "--include-path") {
    roots.push(args.shift());
  } else if (arg === "--allow-paths") {
    args.shift(); // reading is limited to the roots below, which is stricter
  } else if (arg.startsWith("-") && arg !== "-") {
    fail(`option ${arg} is not answered by this front; use --standard-json`);
  } else if (arg !== "-") {
    inputFile = arg;
  }
}
if (!wantsStandardJson) fail("only --version and --standard-json are answered");
if (roots.length === 0) roots.push(".");

function readImport(name) {
  for (const root of roots) {
    const candidate = path.resolve(root, name);
    if (fs.existsSync(candidate)) return { contents: fs.readFileSync(candidate, "utf8") };
  }
  return { error: `${name} not found under ${roots.join(", ")}` };
}

const input = fs.readFileSync(inputFile === null ? 0 : inputFile, "utf8");
process.stdout.write(solc.compile(input, { import: readImport }) + "\n");
