/**
 * @module The contracts of epochly's interfaces as test suites for vitest, for implementations of one's own: an adapter of
 * another framework, a store on another database, a platform.
 */

export { testByteStore } from './byte-store-contract.ts';
export type { ByteStoreContractOptions } from './byte-store-contract.ts';
export { testCacheTier } from './cache-tier-contract.ts';
export type { CacheTierContractOptions } from './cache-tier-contract.ts';
export { testHost } from './host-contract.ts';
export type { HostContractOptions } from './host-contract.ts';
export { testInferenceAdapter } from './adapter-contract.ts';
export type { AdapterContractOptions } from './adapter-contract.ts';
export { testKeyring } from './keyring-contract.ts';
export type { KeyringContractOptions } from './keyring-contract.ts';
export { testPlatform } from './platform-contract.ts';
export type { PlatformContractOptions } from './platform-contract.ts';
