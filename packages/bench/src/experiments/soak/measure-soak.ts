import { compareLatency, compareMemory, foldSegments, listSessions } from "./curves.js";
import { judgeLikelihood, listPasses } from "./passes.js";
import { prepareSoak, type Soak, type SoakOptions } from "./prepare-soak.js";
import type { SoakResults } from "./soak-results.js";
import { beginSession, compareAtEnd, openStored, readAll, type SoakSession } from "./soak-session.js";

/**
 * Reads many tokens through one stream, a text again and again, and says whether time, memory and likelihood stay what they were. At the
 * end the stream takes turns with one that has just begun. With a storage it is saved now and then, goes on where it was saved last,
 * and stays there when it is complete: the same call answers its results again.
 *
 * @throws {KVPolicyError} `config` for options that cannot work, and for what was saved by a soak that was begun otherwise, which is left as
 * it is; `config` with the option `checkpoint` when it cannot be saved on the way, which leaves what was saved before; whatever the
 * stream throws. When it cannot be saved at its end, a warning says so.
 */
export async function measureSoak(options: SoakOptions): Promise<SoakResults> {
  const soak = prepareSoak(options);
  const stored = await openStored(soak);
  try {
    const session = beginSession(soak, stored);
    await readAll(soak, session);
    await compareAtEnd(soak, session);
    return buildResults(soak, session);
  } finally {
    await stored.stream.dispose();
  }
}

function buildResults(soak: Soak, { state, milliseconds }: SoakSession): SoakResults {
  const { options, policy, chunk, segments, rounds, warnings } = soak;
  const { surroundings, text, tokens, budget, seed, signal } = options;
  const { command, versions, machine, model, engine } = surroundings;
  const curves = { chunk, budget, segments, seed };
  const passes = listPasses(state, seed);
  const isCompared = rounds === 0 || state.sideBySide !== null;
  return {
    experiment: "soak",
    command,
    versions,
    machine,
    model,
    engine,
    partial: state.read < tokens || (!isCompared && signal?.aborted === true),
    milliseconds: milliseconds(),
    text: { name: text.name, sha256: text.sha256, tokens: text.tokens.length },
    settings: {
      policy: { name: options.policy.name, description: policy.describe(budget) },
      budget,
      tokens,
      chunk,
      segments,
      seed,
    },
    read: state.read,
    sessions: listSessions(state),
    peakCells: state.chunks.peakCells.reduce((most, cells) => Math.max(most, cells), 0),
    warnings,
    segments: foldSegments(state, curves),
    latency: compareLatency(state, curves),
    sideBySide: state.sideBySide,
    memory: compareMemory(state, curves),
    passes,
    likelihood: judgeLikelihood(passes),
  };
}
