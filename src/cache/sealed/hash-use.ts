/** @module What a hash of a tenant's first key is for. It begins what is hashed: a hash of one use is never that of another. */

export const HASH_USE = { slot: 0, answer: 1, record: 2 } as const;
