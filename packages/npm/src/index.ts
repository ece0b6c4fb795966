import { deployments } from "./deployments.js";
import { interfaceVersions } from "./versions.js";

export * from "./abi/index.js";
export { deployments, interfaceVersions };

/** An address or a 32-byte id, 0x and hexadecimal digits. */
export type Hex = `0x${string}`;

/** A contract that stands, and the block it was created in: where to start reading its events. */
export interface DeployedContract {
  readonly address: Hex;
  readonly block: number;
}

/** What stands on one chain. */
export interface Deployment {
  readonly chainId: number;
  readonly network: string;
  readonly contracts: { readonly [name: string]: DeployedContract };
  /** Streams by name: what their oracles attest, and nobody else can. */
  readonly streams: { readonly [name: string]: Hex };
  readonly feeds: { readonly [name: string]: DeployedContract };
}

/** What stands on a chain whose id is known only at run time. Throws an Error that names the chains there are. */
export function deploymentOn(chainId: number): Deployment {
  const known: { readonly [chainId: number]: Deployment } = deployments;
  const deployment = known[chainId];
  if (deployment === undefined) {
    const chains = Object.keys(known).join(", ") || "none";
    throw new Error(`@gridwitness/contracts knows no deployment on chain ${chainId}; it knows ${chains}`);
  }
  return deployment;
}

/** Whether a contract that answers `version()` with `onChain` has all that this package's ABI of `name` has. */
export function isCompatible(name: keyof typeof interfaceVersions, onChain: string): boolean {
  const [major, minor] = numbers(interfaceVersions[name]);
  const [majorOnChain, minorOnChain] = numbers(onChain);
  return majorOnChain === major && minorOnChain >= minor;
}

function numbers(version: string): [number, number] {
  const match = /^(\d+)\.(\d+)\.\d+$/.exec(version);
  if (match === null) throw new Error(`${JSON.stringify(version)} is no version of the form major.minor.patch`);
  return [Number(match[1]), Number(match[2])];
}
