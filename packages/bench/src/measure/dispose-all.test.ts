import { expect, it } from "vitest";

import { disposeAll } from "./dispose-all.js";

function disposables(failing: readonly number[]): {
  readonly disposed: string[];
  readonly all: { dispose(): Promise<void> }[];
} {
  const disposed: string[] = [];
  const all = [0, 1, 2, 3].map((index) => ({
    dispose: async () => {
      disposed.push(`${index} begins`);
      await Promise.resolve();
      disposed.push(`${index} ends`);
      if (failing.includes(index)) throw new Error(`${index} failed`);
    },
  }));
  return { disposed, all };
}

const IN_TURN = [0, 1, 2, 3].flatMap((index) => [`${index} begins`, `${index} ends`]);

it("disposes one after the other", async () => {
  const { disposed, all } = disposables([]);
  await disposeAll(all);
  expect(disposed).toEqual(IN_TURN);
});

it("disposes all the same where some fail, and throws the first failure", async () => {
  const { disposed, all } = disposables([1, 2]);
  await expect(disposeAll(all)).rejects.toThrow("1 failed");
  expect(disposed).toEqual(IN_TURN);
});
