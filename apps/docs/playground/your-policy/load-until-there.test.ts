import { expect, test, vi } from "vitest";

import { loadUntilThere } from "./load-until-there.js";

test("what failed is loaded again, what is there is not", async () => {
  const load = vi.fn<() => Promise<string | undefined>>();
  load.mockResolvedValueOnce(undefined).mockResolvedValue("model");
  const loadOnce = loadUntilThere(load);
  expect(await loadOnce()).toBe(undefined);
  expect(await loadOnce()).toBe("model");
  expect(await loadOnce()).toBe("model");
  expect(load).toHaveBeenCalledTimes(2);
});

test("who asks while it is on its way waits for the same", async () => {
  const load = vi.fn(() => Promise.resolve("model"));
  const loadOnce = loadUntilThere(load);
  expect(await Promise.all([loadOnce(), loadOnce()])).toEqual(["model", "model"]);
  expect(load).toHaveBeenCalledTimes(1);
});
