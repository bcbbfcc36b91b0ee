/**
 * @module `Symbol.dispose` and `Symbol.asyncDispose` where the runtime has none yet (Safari, Firefox before 141):
 * without them a class would define a method named "undefined". Imported first by every entry.
 * @see https://github.com/tc39/proposal-explicit-resource-management
 */

for (const name of ['dispose', 'asyncDispose'] as const) {
  if (!Object.hasOwn(Symbol, name)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
