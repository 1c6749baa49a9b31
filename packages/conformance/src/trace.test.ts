import { FakeBackend } from "@kvpolicy/core/testing";
import { expect, test } from "vitest";
import { recordTrace } from "./trace.js";

test("a trace says what each row could see, whatever has happened since", async () => {
  const { backend, trace, cells } = recordTrace(new FakeBackend({ capacity: 8 }));
  await backend.decode(Uint32Array.of(10, 11, 12, 13));
  await backend.evict([
    { start: 0, end: 1 },
    { start: 2, end: 3 },
  ]);
  expect(cells()).toEqual([1, 3]);
  await backend.decode(Uint32Array.of(14), undefined);
  const state = await backend.saveState!();
  await backend.truncate(1);
  await backend.decode(Uint32Array.of(15));
  await backend.clear();
  await backend.decode(Uint32Array.of(16));
  await backend.loadState!(state);
  await backend.decode(Uint32Array.of(17));
  expect([...trace().tokens]).toEqual([10, 11, 12, 13, 14, 15, 16, 17]);
  expect(trace().visible.map((rows) => [...rows])).toEqual([
    [0],
    [0, 1],
    [0, 1, 2],
    [0, 1, 2, 3],
    [1, 3, 4],
    [1, 5],
    [6],
    [1, 3, 4, 7],
  ]);
});

test("a refused call leaves no trace", async () => {
  const { backend, trace, cells } = recordTrace(new FakeBackend({ capacity: 2 }));
  await backend.decode(Uint32Array.of(1, 2));
  await expect(backend.decode(Uint32Array.of(3))).rejects.toMatchObject({ code: "range" });
  await expect(backend.evict([{ start: 1, end: 3 }])).rejects.toMatchObject({ code: "range" });
  expect(trace().tokens).toHaveLength(2);
  expect(cells()).toEqual([0, 1]);
});

test("a state that came from elsewhere is refused: nobody knows its rows", async () => {
  const inside = new FakeBackend();
  await inside.decode(Uint32Array.of(1));
  const { backend } = recordTrace(inside);
  await expect(backend.loadState!(await inside.saveState!())).rejects.toMatchObject({ code: "unsupported" });
});

test("what a backend cannot save, its recording cannot either", () => {
  const { backend } = recordTrace(new FakeBackend({ savesState: false }));
  expect(backend).not.toHaveProperty("saveState");
  expect(backend).not.toHaveProperty("loadState");
});
