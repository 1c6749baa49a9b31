import { findTokens, openChat, type ChatEvictionEvent } from "@kvpolicy/llamacpp-adapter";
import type { KVCachePolicy } from "@kvpolicy/core";
import picocolors from "picocolors";

import { CHAT_DEFAULTS, type ChatCommandOptions } from "./chat-options.js";
import { PlainScreen, TerminalScreen, type ChatScreen } from "./chat-screen.js";
import { converse } from "./conversation.js";
import { listenForInterruption } from "./interruption.js";
import { loadModel, type LoadedModel } from "./load-model.js";
import { ExitCode } from "./report-error.js";

/**
 * `kvpolicy chat`: a conversation in a terminal, or line by line through pipes.
 *
 * @returns The exit code.
 * @throws {KVPolicyError} for a model, a snapshot or options that cannot work.
 */
export async function runChat(options: ChatCommandOptions): Promise<number> {
  await using loaded = await load(options);
  const { model } = loaded;
  const policy = options.policy.create({
    findTokens: (isWanted) => findTokens(model, isWanted),
    budget: options.budget,
  });
  const evictions: ChatEvictionEvent[] = [];
  await using chat = await openChat(model, {
    policy,
    budget: budgetOf(options, policy, loaded),
    systemPrompt: options.system,
    restore: options.restore,
    keyType: options.keys,
    valueType: options.values,
    threads: options.threads,
    seed: options.seed,
    onEvict: (event) => {
      evictions.push(event);
    },
  });
  let isInterrupted: boolean;
  {
    using screen = createScreen();
    screen.note(`${loaded.name} on ${loaded.device}, ${options.policy.name}; /help says what else there is`);
    await converse({
      chat,
      screen,
      evictions,
      answer: { maxTokens: options.maxTokens, temperature: options.temperature },
      clock: () => performance.now(),
    });
    isInterrupted = screen.isInterrupted;
  }
  if (options.save !== undefined) await chat.save(options.save);
  return isInterrupted ? ExitCode.interrupted : ExitCode.success;
}

async function load({ model, gpu }: ChatCommandOptions): Promise<LoadedModel> {
  using interruption = listenForInterruption(() => undefined);
  return await loadModel(model, { quiet: !process.stderr.isTTY, signal: interruption.signal, gpu });
}

/** A snapshot brings its own, and the policy may fix it. */
function budgetOf(
  { budget, restore }: ChatCommandOptions,
  policy: KVCachePolicy,
  { model }: LoadedModel,
): number | undefined {
  if (budget !== undefined || restore !== undefined || policy.budget !== undefined) return budget;
  return Math.min(CHAT_DEFAULTS.budget, model.trainContextSize);
}

function createScreen(): ChatScreen {
  const { stdin, stdout, stderr } = process;
  if (!stdin.isTTY || !stdout.isTTY) return new PlainScreen(stdin, stdout, stderr);
  return new TerminalScreen(stdin, stdout, picocolors.isColorSupported ? picocolors.dim : (text) => text);
}
