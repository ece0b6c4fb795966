// Signs in with a wallet: an EIP-4361 message, signed by personal_sign (EIP-191).
import { keccak_256 } from "./vendor/noble-hashes/sha3.js";

const button = document.querySelector("#sign-in");
const says = document.querySelector("#sign-in-says");
const say = (words) => {
  says.textContent = words;
};

async function asked(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return answer;
}

function messageOf(account, { domain, chain_id: chainId, nonce }) {
  return [
    `${domain} wants you to sign in with your Ethereum account:`,
    account,
    "",
    `See the data of your own household at ${button.dataset.site}.`,
    "",
    `URI: ${location.origin}`,
    "Version: 1",
    `Chain ID: ${chainId}`,
    `Nonce: ${nonce}`,
    `Issued At: ${new Date().toISOString()}`,
  ].join("\n");
}

// Wallets give addresses in small letters; the message wants them with their checksum (EIP-55).
function checksummed(address) {
  const plain = address.slice(2).toLowerCase();
  const hash = hexOfText(plain, keccak_256).slice(2);
  return "0x" + Array.from(plain, (digit, index) => (parseInt(hash[index], 16) > 7 ? digit.toUpperCase() : digit)).join("");
}

function hexOfText(text, hash = (bytes) => bytes) {
  return "0x" + Array.from(hash(new TextEncoder().encode(text)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function signIn() {
  if (!window.ethereum) throw new Error("there is no wallet in this browser: install one, or use an API key");
  const [account] = await window.ethereum.request({ method: "eth_requestAccounts" });
  const message = messageOf(checksummed(account), await asked("/v1/session/nonce"));
  const signature = await window.ethereum.request({ method: "personal_sign", params: [hexOfText(message), account] });
  await asked("/v1/session", { message, signature });
}

button.addEventListener("click", async () => {
  say("Your wallet asks you to sign …");
  button.disabled = true;
  try {
    await signIn();
    location.assign("/community");
  } catch (error) {
    say(`Not signed in: ${error.message}`);
    button.disabled = false;
  }
});
button.disabled = false; // pressed before, it would have done nothing
