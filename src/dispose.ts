/**
 * @module `Symbol.dispose` and `Symbol.asyncDispose` where the runtime has none yet (Safari, Firefox before 141):
 * without them a class would define a method named "undefined". Imported first by every entry. Their types are part of what
 * the declarations need, whichever `lib` a program is compiled with.
 * @see https://github.com/tc39/proposal-explicit-resource-management
 */
/// <reference lib="esnext.disposable" preserve="true" />

for (const name of ['dispose', 'asyncDispose'] as const) {
  if (!Object.hasOwn(Symbol, name)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
