import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { PolicySetting } from "../policy-setting.js";
import { cellsAt, frameAt } from "./cell-roles.js";
import { simulate, type Simulation } from "./simulate.js";
import { tokenize } from "./tokenize.js";

const TEXT = tokenize("a b . c d e . f g h i . j k l m n o p q r s t u v w x y z");

function read(setting: PolicySetting, pinned: { start: number; end: number }[] = []): Promise<Simulation> {
  return simulate({ setting, budget: 8, text: TEXT, marks: { pinned, turns: [] } });
}

describe("cells", () => {
  test("are sinks, and the window", async () => {
    const simulation = await read({ policy: "sink-window", options: { sinks: 2 } });
    const cells = cellsAt(simulation, 20, []);
    expect(cells.map(({ role }) => role)).toEqual(["sink", "sink", ...Array<string>(6).fill("window")]);
    expect(cells.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(cells.map(({ position }) => position)).toEqual([0, 1, 14, 15, 16, 17, 18, 19]);
  });

  test("say which one is the newest and which leaves next", async () => {
    const simulation = await read({ policy: "sink-window", options: { sinks: 2, stride: 2 } });
    const cells = cellsAt(simulation, 8, []);
    expect(cells.filter(({ isNewest }) => isNewest)).toMatchObject([{ position: 7 }]);
    expect(cells.filter(({ leavesNext }) => leavesNext)).toMatchObject([{ position: 2 }, { position: 3 }]);
    expect(cellsAt(simulation, 7, []).some(({ leavesNext }) => leavesNext)).toBe(false);
  });

  test("are kept when later ones left before them", async () => {
    const simulation = await read({ policy: "separator", options: { sinks: 1, separators: 2 } });
    const kept = cellsAt(simulation, 20, []).filter(({ role }) => role === "kept");
    expect(kept.map(({ position }) => TEXT.tokens[position]?.text)).toEqual([".", "."]);
  });

  test("are pinned", async () => {
    const pinned = [{ start: 3, end: 5 }];
    const simulation = await read({ policy: "window", options: {}, wrappers: ["pinned"] }, pinned);
    const cells = cellsAt(simulation, 25, pinned);
    expect(cells.filter(({ role }) => role === "pinned").map(({ position }) => position)).toEqual([3, 4]);
  });

  test("were evaluated again", async () => {
    const simulation = await read({ policy: "recompute", options: {} });
    expect(cellsAt(simulation, 9, []).map(({ wasRecomputed }) => wasRecomputed)).toEqual([
      ...Array<boolean>(7).fill(true),
      false,
    ]);
    expect(cellsAt(simulation, 8, []).some(({ wasRecomputed }) => wasRecomputed)).toBe(false);
  });

  test("stay as they were where the stream was refused", async () => {
    const simulation = await read({ policy: "dense", options: {} });
    expect(frameAt(simulation, 25).position).toBe(8);
    expect(cellsAt(simulation, 25, [])).toEqual(cellsAt(simulation, 8, []));
  });
});

test("a cell is kept exactly if a later token has left", async () => {
  const setting: PolicySetting = {
    policy: "dispersed",
    options: { sinks: 1, anchors: 2, spacing: 2, stride: 3 },
  };
  const simulation = await read(setting);
  fc.assert(
    fc.property(fc.nat(TEXT.tokens.length), (position) => {
      const left = simulation.frames
        .slice(0, position + 1)
        .flatMap(({ eviction }) => [...(eviction?.positions ?? [])]);
      for (const cell of cellsAt(simulation, position, [])) {
        const isKept = cell.index >= 1 && left.some((evicted) => evicted > cell.position);
        expect(cell.role === "kept").toBe(isKept);
      }
    }),
  );
});
