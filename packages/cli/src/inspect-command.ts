import { basename } from "node:path";

import { inspectModel, type ModelInspection, type PolicyVerdict } from "@kvpolicy/llamacpp-adapter";

import { listenForInterruption } from "./interruption.js";
import type { InspectCommandOptions } from "./inspect-options.js";
import { findModel } from "./load-model.js";
import { renderInspection, type Inspected } from "./render-inspection.js";
import { ExitCode } from "./report-error.js";
import { runProbe, type Probe } from "./run-probe.js";

/**
 * `kvpolicy inspect`: says what llama.cpp can do with a model under each kind of policy, and why not. Reads the metadata here, and tries
 * the model in a child process.
 *
 * @returns The exit code: 2 when survivors cannot keep their keys and values, 130 after Ctrl-C.
 * @throws {KVPolicyError} for a model that cannot be read.
 */
export async function runInspect(options: InspectCommandOptions): Promise<number> {
  const { model, keys, flashAttention, gpu, json } = options;
  using interruption = listenForInterruption(() => undefined);
  const path = await findModel(model, json, interruption.signal);
  // What computes is known only to the probe; without one, and on `auto`, the cautious answer is that of a CPU.
  const onCpu = gpu === "auto" || gpu === false;
  const fromFile = await inspectModel(path, { keyType: keys, flashAttention, onCpu });
  const probe = options.probe ? await runProbe({ path, keys, flashAttention, gpu }) : undefined;
  // Ctrl-C reaches the child, too: it did not end by itself.
  if (interruption.signal.aborted) return ExitCode.interrupted;
  const inspected: Inspected = {
    model: model.startsWith("hf:") ? model : basename(path),
    ...mergeProbe(fromFile, probe),
    probe: describeProbe(probe),
  };
  const width = Math.min(120, process.stdout.columns || 100);
  process.stdout.write(`${json ? JSON.stringify(inspected) : renderInspection(inspected, { width })}\n`);
  return inspected.reuse.fidelity === "unsupported" ? ExitCode.badInput : ExitCode.success;
}

/** The answer of the file, corrected by what was tried. */
export function mergeProbe(fromFile: ModelInspection, probe: Probe | undefined): ModelInspection {
  if (probe === undefined) return fromFile;
  if (probe.status === "completed") return probe.inspection;
  const { reuse, recompute, dense } = fromFile;
  const ended = (verdict: PolicyVerdict): PolicyVerdict =>
    verdict.fidelity === "unsupported"
      ? verdict
      : { fidelity: "unsupported", reason: describeProbe(probe), metadata: verdict.metadata };
  return {
    ...fromFile,
    reuse: ended(reuse),
    recompute: probe.decoded ? recompute : ended(recompute),
    dense: probe.decoded ? dense : ended(dense),
  };
}

function describeProbe(probe: Probe | undefined): string {
  if (probe === undefined) return "skipped";
  if (probe.status === "completed") return "completed";
  const { end, lastWords } = probe;
  return `the probe ended the process (${end})${lastWords === null ? "" : `: ${lastWords}`}`;
}
