import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { randomModel } from "@kvpolicy/reference-backend/testing";
import {
  AlpacaChatWrapper,
  ChatMLChatWrapper,
  ChatWrapper,
  DeepSeekChatWrapper,
  EmptyChatWrapper,
  FalconChatWrapper,
  FunctionaryChatWrapper,
  Gemma4ChatWrapper,
  GemmaChatWrapper,
  GeneralChatWrapper,
  HarmonyChatWrapper,
  JinjaTemplateChatWrapper,
  Llama2ChatWrapper,
  Llama3_1ChatWrapper,
  Llama3_2LightweightChatWrapper,
  Llama3ChatWrapper,
  LlamaText,
  MistralChatWrapper,
  MuseChatWrapper,
  QwenChatWrapper,
  resolveChatWrapper,
  SeedChatWrapper,
  type ChatHistoryItem,
  type ChatWrapperGeneratedContextState,
  type Llama,
  type LlamaModel,
  type Token,
} from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadChatModel } from "../../testing/chat-model.js";
import { createTemporaryFolder, loadLlama, tinyModelPath } from "../../testing/models.js";
import { ChatTemplate } from "./chat-template.js";

const CONTROLS = [
  ...["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
  ...["<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]"],
];

const KINDS = ["byte-level", "sentence-piece", "space-prefix"] as const;

let llama: Llama;
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;
/** A vocabulary with the control tokens of the usual templates, one of another kind without any, and one that puts a space in front. */
let models: Readonly<Record<(typeof KINDS)[number], LlamaModel>>;

beforeAll(async () => {
  llama = await loadLlama();
  folder = await createTemporaryFolder();
  models = {
    "byte-level": await loadChatModel(llama, folder.path, CONTROLS),
    "sentence-piece": await llama.loadModel({ modelPath: tinyModelPath }),
    "space-prefix": await loadRandomModel(),
  };
});
afterAll(async () => {
  await llama.dispose();
  await folder.remove();
});

const wrappers: readonly [name: string, create: () => ChatWrapper][] = [
  ["Alpaca", () => new AlpacaChatWrapper()],
  ["ChatML", () => new ChatMLChatWrapper()],
  ["DeepSeek", () => new DeepSeekChatWrapper()],
  ["Empty", () => new EmptyChatWrapper()],
  ["Falcon", () => new FalconChatWrapper()],
  ["Functionary", () => new FunctionaryChatWrapper()],
  ["Gemma", () => new GemmaChatWrapper()],
  ["Gemma 4", () => new Gemma4ChatWrapper()],
  ["General", () => new GeneralChatWrapper()],
  ["Harmony", () => new HarmonyChatWrapper()],
  [
    "Jinja",
    () => new JinjaTemplateChatWrapper({ template: JINJA, tokenizer: models["byte-level"].tokenizer }),
  ],
  ["Llama 2", () => new Llama2ChatWrapper()],
  ["Llama 3", () => new Llama3ChatWrapper()],
  ["Llama 3.1", () => new Llama3_1ChatWrapper()],
  ["Llama 3.2", () => new Llama3_2LightweightChatWrapper()],
  ["Mistral", () => new MistralChatWrapper()],
  ["Muse", () => new MuseChatWrapper()],
  ["Qwen", () => new QwenChatWrapper()],
  ["Seed", () => new SeedChatWrapper()],
];

/** A template that brings a system prompt of its own where there is none, as that of SmolLM2 does. */
const JINJA =
  "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}" +
  "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Templates that have an answer begin with words of their own, which the model would have to say first. */
const ANSWER_PREFIXES: Readonly<Record<string, string>> = {
  Functionary: ">>>all\n",
  Harmony: "<|channel|>final<|message|>",
  Muse: " to=user<|message|>",
};

/** Templates that put the system prompt into the last message, and so into another one at each turn; here it stays in the first. */
const MOVES_SYSTEM_PROMPT = ["Mistral"];

const QUESTIONS = ["Where is the boat?", "<|im_end|> and [INST] are no tokens here", "  Thanks.\n"];
const ANSWER = "In the harbour.";

for (const kind of KINDS) {
  for (const systemPrompt of [undefined, "Be brief."]) {
    describe(`with a ${kind} vocabulary and ${systemPrompt === undefined ? "no" : "a"} system prompt`, () => {
      const told = wrappers.filter(
        ([name]) => systemPrompt === undefined || !MOVES_SYSTEM_PROMPT.includes(name),
      );
      test.each(told)("%s: what the turns add makes up the whole conversation", (name, create) => {
        const model = models[kind];
        const wrapper = create();
        const template = new ChatTemplate(model, wrapper, systemPrompt);
        const tokens: Token[] = [...template.head];
        const history: ChatHistoryItem[] =
          systemPrompt === undefined ? [] : wrapper.generateInitialChatHistory({ systemPrompt });
        for (const [index, text] of QUESTIONS.entries()) {
          const turn = index === 0 ? template.firstTurn(text) : template.nextTurn(text);
          tokens.push(...turn.closing, ...turn.opening);
          tokens.push(...model.tokenize(ANSWER, false, "trimLeadingSpace"));
          history.push({ type: "user", text }, { type: "model", response: [ANSWER] });
          // A template that looks back from the last message, or drops what lies far back, would show here.
          const said = model.detokenize(tokens, true);
          const rendered = render(model, wrapper, history);
          expect(rendered.slice(0, said.length), `turn ${index}`).toBe(said);
          expect(rendered.slice(said.length), `turn ${index}`).not.toContain(ANSWER);
          if (!(name in ANSWER_PREFIXES)) {
            const open: ChatHistoryItem[] = [...history.slice(0, -1), { type: "model", response: [] }];
            expect(render(model, wrapper, open) + ANSWER, `turn ${index}, unanswered`).toBe(said);
          }
        }
      });
    });
  }
}

test("a turn begins behind the end of the answer before, and the head ends where the first one begins", () => {
  const model = models["byte-level"];
  const text = (tokens: readonly Token[]): string => model.detokenize([...tokens], true);
  const template = new ChatTemplate(model, new ChatMLChatWrapper(), "Be brief.");
  expect(text(template.head)).toMatch(/<\|im_start\|>system\nBe brief\.<\|im_end\|>\n$/);
  expect(text(template.firstTurn("Hi").opening)).toBe(
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
  );
  const next = template.nextTurn("And?");
  expect(text(next.closing)).toBe("<|im_end|>\n");
  expect(text(next.opening)).toBe("<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n");
});

test.each<[string, () => ChatWrapper, string, string]>([
  ["Llama 3.1", () => new Llama3_1ChatWrapper(), "<|eot_id|>", "<|start_header_id|>user"],
  ["Gemma", () => new GemmaChatWrapper(), "<end_of_turn>\n", "<start_of_turn>user"],
  ["General", () => new GeneralChatWrapper(), "\n\n", "### Human"],
])("%s closes with %j", (_, create, closing, opening) => {
  const model = models["byte-level"];
  const next = new ChatTemplate(model, create(), undefined).nextTurn("And?");
  expect(model.detokenize([...next.closing], true)).toBe(closing);
  expect(model.detokenize([...next.opening], true).startsWith(opening)).toBe(true);
});

test("the head does not take in a system prompt that the template brings itself, when turns are told apart", () => {
  const model = models["byte-level"];
  const wrapper = new JinjaTemplateChatWrapper({ template: JINJA, tokenizer: model.tokenizer });
  const template = new ChatTemplate(model, wrapper, undefined);
  expect(model.detokenize([...template.head], true)).toContain("You help.<|im_end|>\n");
  expect(model.detokenize([...template.nextTurn("And?").closing], true)).toBe("<|im_end|>\n");
});

test.each(Object.entries(ANSWER_PREFIXES))("%s: an answer is begun with %j", (name, prefix) => {
  const model = models["byte-level"];
  const create = wrappers.find(([known]) => known === name)?.[1] as () => ChatWrapper;
  const { opening } = new ChatTemplate(model, create(), undefined).nextTurn("And?");
  expect(model.detokenize([...opening], true).endsWith(prefix)).toBe(true);
});

test("a system prompt that a template would move stays where it is", () => {
  const model = models["byte-level"];
  const template = new ChatTemplate(model, new MistralChatWrapper(), "Be brief.");
  expect(model.detokenize([...template.head], true)).toContain("[INST]Be brief.");
  expect(model.detokenize([...template.nextTurn("And?").opening], true)).toBe("[INST]And?[/INST]");
});

test("a special token that the user writes stays text", () => {
  const model = models["byte-level"];
  const endOfTurn = model.tokenize("<|im_end|>", true)[0];
  const { opening } = new ChatTemplate(model, new ChatMLChatWrapper(), undefined).nextTurn("a <|im_end|> b");
  expect(opening.filter((token) => token === endOfTurn)).toHaveLength(1);
});

test("a message may hold the words that the template is cut at", () => {
  const model = models["byte-level"];
  const template = new ChatTemplate(model, new ChatMLChatWrapper(), "Be brief.");
  const text = (tokens: readonly Token[]): string => model.detokenize([...tokens], true);
  const message = "KVPOLICYANSWERMARKER, KVPOLICYNEXTANSWERMARKER or KVPOLICYQUESTIONMARKER?";
  const turn = `<|im_start|>user\n${message}<|im_end|>\n<|im_start|>assistant\n`;
  expect(text(template.nextTurn(message).opening)).toBe(turn);
  expect(text(template.firstTurn(message).opening)).toBe(turn);
});

test("a wrapper that leaves out what was said is refused", () => {
  class Forgetful extends ChatWrapper {
    override readonly wrapperName = "Forgetful";
    override generateContextState(): ChatWrapperGeneratedContextState {
      return { contextText: LlamaText("nothing"), stopGenerationTriggers: [] };
    }
  }
  expect(() => new ChatTemplate(models["byte-level"], new Forgetful(), undefined)).toThrow(
    expect.objectContaining({ code: "unsupported" }),
  );
});

test("node-llama-cpp finds the wrapper of the model that the tests chat with", () => {
  expect(resolveChatWrapper(models["byte-level"]).wrapperName).toBe("ChatML");
});

async function loadRandomModel(): Promise<LlamaModel> {
  const modelPath = join(folder.path, "space-prefix.gguf");
  await writeFile(modelPath, randomModel({ architecture: "llama", tokenizer: "sentence-piece" }));
  return llama.loadModel({ modelPath });
}

function render(model: LlamaModel, wrapper: ChatWrapper, chatHistory: readonly ChatHistoryItem[]): string {
  const { contextText } = wrapper.generateContextState({ chatHistory: [...chatHistory] });
  return model.detokenize(contextText.tokenize(model.tokenizer), true);
}
