/**
 * @module A store that a sealed tier wrote, with the master key of the other vectors: whoever has that key answers from it. Bytes
 * are hexadecimal digits.
 */

export interface StoreVectors {
  readonly prefix: string;
  readonly tenant: string;
  readonly model: string;
  /** Milliseconds since the Unix epoch at which the answers were put, for a day. */
  readonly nowMs: number;
  readonly answers: readonly { readonly key: string; readonly value: string }[];
  /** By name. Each answer was sealed with a data key of its own. */
  readonly records: Readonly<Record<string, string>>;
}

export const STORE_VECTORS: StoreVectors = {
  prefix: 'p:',
  tenant: 'tenant',
  model: 'model',
  nowMs: 1_700_000_000_000,
  answers: [
    { key: 'key', value: 'answer' },
    { key: 'k\u0117y \ud83d', value: 'another answer' },
  ],
  records: {
    'p:c/d1b45c693d444f546d1afc534d1ec974/00000000/00000000': '88add2f71c41668bb0d5fa1f44698eb3',
    'p:c/d1b45c693d444f546d1afc534d1ec974/00000001/00000000': '40658aafd4f91e43688db2d7fc21466b',
    'p:e/d1b45c693d444f546d1afc534d1ec974/93068e124171178ac19201ae12b75276/tbHS8FbxOUatH41Sa0gKiftgDF3JDdZfDjdYWTj4KuY':
      '010100000000c40bd58b01000090b5daff24496e93b8dd022730a0b49510eb1773e145d2daa0aa635e15b5139bd0784e6788f4c671b0f699be112bea37c96bed73726335cf6b',
    'p:e/d1b45c693d444f546d1afc534d1ec974/93068e124171178ac19201ae12b75276/xrb5mTFiG3BpRsQm6SWjH2Fx8WEBM6LwfWPX9j0FyzA':
      '010000000000c40bd58b010000d8fd22476c91b6db00254a6fd1aacfaa26539ac43fd2dde1733c1eb9a58b1bc310761c281e454df94aa9',
    'p:g/93068e124171178ac19201ae12b75276': '385d82a7ccf1163b6085aacff4193e63',
    'p:k/d1b45c693d444f546d1afc534d1ec974/00000000':
      '01353234663031646630613233623463387ca1c6eb10355a7fa4c9ee13d0f5875b271bfeb7274b239822e0b690a98dd912f6544c996d11c66de47af6d149e13254f3f98d34a4ecef9c05e2983f',
    'p:k/d1b45c693d444f546d1afc534d1ec974/00000001':
      '013532346630316466306132336234633884a9cef3183d6287acd1f61bdf2ee181c070c84abf76e5109d8eff55d127ba7c7a981a2825c3f72f0574c6870be1ade61f2ece8417ae37dc80fb22d6',
    'p:r':
      '0135323466303164663061323362346338d0f51a3f6489aed3f81d426780819e0c6cb67c84e929ecbdee0148863e1a8d26d6069794e4899f43f42a4dae77852ef1d58e5618cfd121149afa7423',
    'p:v': '8cb1d6fb20456a8fb4d9fe23486d92b7',
  },
};
