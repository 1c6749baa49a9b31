import { FakeBackend } from "@kvpolicy/core/testing";
import { describe, expect, test } from "vitest";

import { fakeSubject } from "../../testing/fake-subject.js";
import { brokenLaws } from "../law.js";
import { backendLaws, backendSuite } from "./backend-suite.js";
import type { BackendSubject } from "./subject.js";

backendSuite({ describe, test }, fakeSubject);

test("a backend that says honestly what it lacks breaks only the laws on that, and they say so", async () => {
  const subject: BackendSubject = {
    ...fakeSubject,
    create: ({ capacity }) =>
      new FakeBackend({ capacity, reindex: "positions are learned", savesState: false }),
  };
  const broken = await brokenLaws(backendLaws, subject);
  expect(broken.length).toBeGreaterThan(0);
  for (const { message } of broken) {
    expect(message).toMatch(
      /it takes "(reindex|saved state)", which the backend lacks: (positions are learned|it has no saveState and loadState)/,
    );
  }
  const skip = Object.fromEntries(broken.map(({ law }) => [law, "positions are learned"]));
  expect(await brokenLaws(backendLaws, { ...subject, skip })).toEqual([]);
});

test.each<["nll" | "reindex" | "truncate"]>([["nll"], ["reindex"], ["truncate"]])(
  "all laws that need %s are skipped at once",
  async (capability) => {
    const subject: BackendSubject = {
      ...fakeSubject,
      create: ({ capacity, batch }) => new FakeBackend({ capacity, batch, [capability]: "not here" }),
    };
    const broken = await brokenLaws(backendLaws, subject);
    const needing = backendLaws.filter(({ needs }) => needs.includes(capability));
    expect(broken.map(({ law }) => law)).toEqual(needing.map(({ name }) => name));
    expect(await brokenLaws(backendLaws, { ...subject, skip: { [capability]: "not here" } })).toEqual([]);
  },
);

test.each(["oracle", "greedy", "seeded", "reseeded"] as const)(
  "without %s, the laws that need it have nothing to say",
  async (option) => {
    const without: BackendSubject = { ...fakeSubject, [option]: undefined };
    const unmet = backendLaws.filter((law) => law.unmet(without) !== undefined);
    expect(unmet).toEqual(backendLaws.filter(({ needs }) => needs.includes(option)));
    expect(unmet.length).toBeGreaterThan(0);
    expect(await brokenLaws(backendLaws, without)).toEqual([]);
  },
);

describe("a sound backend passes", () => {
  test.each([1, 2, 3])("with a vocabulary of %d", async (vocabularySize) => {
    const subject: BackendSubject = {
      ...fakeSubject,
      create: ({ capacity }) => new FakeBackend({ capacity, vocabularySize }),
      oracle: undefined,
    };
    expect(await brokenLaws(backendLaws, subject)).toEqual([]);
  });

  test.each([1, 16, 64])("with batches of %d", async (batch) => {
    const subject: BackendSubject = {
      ...fakeSubject,
      create: ({ capacity }) => new FakeBackend({ capacity, batch }),
    };
    expect(await brokenLaws(backendLaws, subject)).toEqual([]);
  });

  test("with the fewest cells that a suite may ask for", async () => {
    expect(await brokenLaws(backendLaws, { ...fakeSubject, capacity: 17 })).toEqual([]);
  });

  test("with more room than it was asked for, once the suite may ask for more than that", async () => {
    const law = "refuses a state that does not fit, and changes nothing";
    const roomy: BackendSubject = {
      ...fakeSubject,
      create: ({ capacity, batch }) => new FakeBackend({ capacity: Math.ceil(capacity / 64) * 64, batch }),
    };
    const [broken, ...others] = await brokenLaws(backendLaws, roomy);
    expect(others).toEqual([]);
    expect(broken).toMatchObject({
      law,
      message: expect.stringMatching(/a backend of 16 has room for 64, .* Raise `capacity` to 65/) as string,
    });
    expect(await brokenLaws(backendLaws, { ...roomy, capacity: 65 })).toEqual([]);
    expect(await brokenLaws(backendLaws, { ...roomy, skip: { [law]: "it has more room" } })).toEqual([]);
  });

  /** The fake, with ten tokens that never come. */
  class Masked extends FakeBackend {
    override async decode(
      tokens: Uint32Array,
      options?: { readonly scoreFrom: number },
    ): Promise<Float64Array | undefined> {
      const scores = await super.decode(tokens, options);
      return scores?.map((nll, index) => mask(tokens[options!.scoreFrom + index]!, nll));
    }

    override async nll(target: number): Promise<number> {
      return mask(target, await super.nll(target));
    }
  }

  function mask(token: number, nll: number): number {
    return token >= 90 ? Infinity : nll;
  }

  test.each<[string, Partial<BackendSubject>]>([
    ["none of them in its texts", { tokens: Uint32Array.of(1, 2, 3, 4, 5, 5) }],
    ["all of them compared", { tokens: undefined }],
  ])("with tokens that are impossible, %s", async (_, options) => {
    const subject: BackendSubject = {
      ...fakeSubject,
      create: ({ capacity, batch }) => new Masked({ capacity, batch }),
      oracle: undefined,
      skip: { greedy: "the fake's samplers know nothing of the mask" },
      ...options,
    };
    expect(await brokenLaws(backendLaws, subject)).toEqual([]);
  });
});

test("a tolerance is held against what was measured", async () => {
  const subject: BackendSubject = {
    ...fakeSubject,
    oracle: async (trace, rows) =>
      (await fakeSubject.oracle!(trace, rows)).map((row) =>
        row.map((value, token) => value + (token % 2) * 0.01),
      ),
  };
  const law = backendLaws.find(({ name }) => name.startsWith("reuses the values of the survivors"))!;
  await expect(law.check(subject)).rejects.toMatchObject({
    name: "LawBroken",
    law: law.name,
    tolerance: 1e-3,
    measured: expect.closeTo(0.01, 6) as number,
  });
  await law.check({ ...subject, tolerance: { logits: 0.01, nll: 0.02 } });
});
