/**
 * The symbol of `await using`. WebKit does not know it yet: there it is the one that compilers of `await using` (esbuild, Babel) fall
 * back to.
 */
export const asyncDispose: typeof Symbol.asyncDispose =
  (Symbol as { readonly asyncDispose?: typeof Symbol.asyncDispose }).asyncDispose ??
  (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);
