import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ThreadTurns } from "./thread-turns.js";

describe("turns", () => {
  test("run at once as far as the cores reach, in the order in which they were asked for", async () => {
    const turns = new ThreadTurns(4);
    const log: string[] = [];
    const release: (() => void)[] = [];
    const work = (name: string, threads: number): Promise<void> =>
      turns.run(threads, () => {
        log.push(name);
        return new Promise((resolve) => release.push(resolve));
      });
    const all = [work("a", 2), work("b", 2), work("c", 3), work("d", 1)];
    await settle();
    expect(log).toEqual(["a", "b"]);
    release[0]?.();
    await settle();
    // c needs three of the four; d would fit, but has to wait for its turn.
    expect(log).toEqual(["a", "b"]);
    release[1]?.();
    await settle();
    expect(log).toEqual(["a", "b", "c", "d"]);
    release.forEach((done) => {
      done();
    });
    await Promise.all(all);
  });

  test("go on after a failure", async () => {
    const turns = new ThreadTurns(1);
    const failed = turns.run(1, () => Promise.reject(new Error("the decode failed")));
    const next = turns.run(1, () => Promise.resolve("done"));
    await expect(failed).rejects.toThrow("the decode failed");
    await expect(next).resolves.toBe("done");
  });

  test("never take more threads than there are cores, and all come to their end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.record({ threads: fc.integer({ min: 1, max: 9 }), ticks: fc.nat(3) }), { maxLength: 20 }),
        async (cores, tasks) => {
          const turns = new ThreadTurns(cores);
          let busy = 0;
          let done = 0;
          await Promise.all(
            tasks.map(({ threads, ticks }) =>
              turns.run(threads, async () => {
                busy += Math.min(threads, cores);
                expect(busy).toBeLessThanOrEqual(cores);
                for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
                busy -= Math.min(threads, cores);
                done += 1;
              }),
            ),
          );
          expect(done).toBe(tasks.length);
        },
      ),
    );
  });
});

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
