import { Command } from "commander";

import { CHAT_DEFAULTS, parseChatOptions } from "./chat-options.js";
import { runChat } from "./chat-command.js";
import { commonOptions } from "./common-options.js";
import { EXPERIMENT_COMMANDS } from "./experiment-commands.js";
import { runInspect } from "./inspect-command.js";
import { INSPECT_DEFAULTS, KEY_TYPES, parseInspectOptions } from "./inspect-options.js";
import { GPU_HELP } from "./load-llama.js";
import { probeModel, type ProbeOptions } from "./probe-model.js";
import { PROBE_COMMAND } from "./run-probe.js";
import { runExperiment } from "./run-experiment.js";
import { parseStreamOptions, streamOptions } from "./stream-options.js";
import { runStream } from "./stream-command.js";
import { packageVersion } from "./versions.js";

/**
 * The commands and their options.
 *
 * @param argv - The command line, for the record in the results.
 * @param onExit - Told the exit code of a command that came to its end.
 */
export function createProgram(argv: readonly string[], onExit: (code: number) => void): Command {
  const program = new Command("kvpolicy")
    .description("Measures KV-cache policies: which cached tokens stay, what that costs and what it loses.")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(text.replace(/^error: /, "kvpolicy: "));
      },
    });

  const stream = program
    .command("stream")
    .description("Reads a text under several policies side by side, live, and reports.");
  for (const option of [...streamOptions(), ...commonOptions()]) stream.addOption(option);
  stream.action(async (raw: unknown) => {
    onExit(await runStream(await parseStreamOptions(raw, process.env), argv));
  });

  for (const experiment of EXPERIMENT_COMMANDS) {
    const command = program.command(experiment.name).description(experiment.description);
    for (const option of [...experiment.options, ...commonOptions()]) command.addOption(option);
    command.action(async (raw: unknown) => {
      onExit(await runExperiment(experiment, raw, argv));
    });
  }

  program
    .command("chat")
    .description("A conversation that never runs out of context, with a live line of cache use.")
    .option(
      "--model <model>",
      "path of a GGUF file, hf:USER/REPO/FILE, or tiny:NAME (default: $KVPOLICY_MODEL)",
    )
    .option("--policy <spec>", "which cached tokens stay", CHAT_DEFAULTS.policy)
    .option(
      "--budget <cells>",
      `cells in use (default: ${CHAT_DEFAULTS.budget}, or the trained length where that is less)`,
    )
    .option("--system <text>", "what the model is told first; its cells are pinned")
    .option("--restore <file>", "conversation to go on from")
    .option("--save <file>", "where the conversation is saved at the end")
    .option("--max-tokens <count>", "most tokens of an answer (default: the budget)")
    .option("--temperature <number>", "0 takes the likeliest token", String(CHAT_DEFAULTS.temperature))
    .option("--seed <number>", "seed of the sampler (default: a random one)")
    .option("--keys <type>", `type of the cached keys, F16 or F32 (default: ${CHAT_DEFAULTS.cacheType})`)
    .option("--values <type>", `type of the cached values, F16 or F32 (default: ${CHAT_DEFAULTS.cacheType})`)
    .option("--threads <count>", "threads of the engine (default: one a core)")
    .option("--gpu <type>", GPU_HELP, CHAT_DEFAULTS.gpu)
    .action(async (raw: unknown) => {
      onExit(await runChat(await parseChatOptions(raw, process.env)));
    });

  program
    .command("inspect")
    .description("Says what llama.cpp can do with a model under each kind of policy, and why not.")
    .argument("<model>", "path of a GGUF file, hf:USER/REPO/FILE, or tiny:NAME")
    .option("--keys <type>", `type of the cached keys: ${KEY_TYPES.join(", ")}`, INSPECT_DEFAULTS.keys)
    .option("--flash-attention", "with flash attention")
    .option("--gpu <type>", GPU_HELP, INSPECT_DEFAULTS.gpu)
    .option(
      "--no-probe",
      "read the metadata only; else the model is also loaded and tried, in a process of its own",
    )
    .option("--json", "print the answer as JSON, and nothing else")
    .action(async (model: string, raw: object) => {
      onExit(await runInspect(parseInspectOptions({ ...raw, model })));
    });

  // What `inspect` runs in a process of its own.
  program
    .command(PROBE_COMMAND, { hidden: true })
    .argument("<options>")
    .action(async (options: string) => {
      await probeModel(JSON.parse(options) as ProbeOptions, (message) => process.send?.(message));
    });

  return program;
}
