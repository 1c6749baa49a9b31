import { afterEach, expect, test, vi } from "vitest";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test("is the language's own symbol where there is one", async () => {
  const { asyncDispose } = await import("./async-dispose.js");
  expect(asyncDispose).toBe(Symbol.asyncDispose);
});

test("is the symbol that compilers fall back to where there is none", async () => {
  const original = Symbol;
  const fallback = Symbol.for("Symbol.asyncDispose");
  const properties = Object.getOwnPropertyDescriptors(Symbol) as Record<string, PropertyDescriptor>;
  for (const name of ["asyncDispose", "prototype"]) Reflect.deleteProperty(properties, name);
  const older = Object.defineProperties((name: string) => original(name), properties);
  vi.stubGlobal("Symbol", older);
  const { asyncDispose } = await import("./async-dispose.js");
  expect(asyncDispose).toBe(fallback);
});
