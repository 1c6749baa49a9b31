import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { int32Array, randomModel, stringArray } from "@kvpolicy/reference-backend/testing";
import { readGgufFileInfo, type Llama, type LlamaModel } from "node-llama-cpp";

const CONTROL = 3;

/** The template of ChatML, as models bring it along. */
const CHAT_ML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** A random model whose vocabulary has these control tokens, in place of its last pieces, and the template of ChatML. */
export async function loadChatModel(
  llama: Llama,
  folder: string,
  controls: readonly string[] = ["<|im_start|>", "<|im_end|>"],
): Promise<LlamaModel> {
  const modelPath = join(folder, `chat-${controls.length}.gguf`);
  const options = { architecture: "llama", tokenizer: "byte-level", vocabularySize: 400 } as const;
  await writeFile(modelPath, randomModel(options));
  const { metadata } = await readGgufFileInfo(modelPath, { sourceType: "filesystem", logWarnings: false });
  const {
    tokens,
    token_type: types,
    merges,
  } = metadata.tokenizer.ggml as unknown as {
    readonly tokens: string[];
    readonly token_type: number[];
    readonly merges: string[];
  };
  const kept = tokens.length - controls.length;
  const replaced = new Set(tokens.slice(kept));
  await writeFile(
    modelPath,
    randomModel({
      ...options,
      metadata: {
        "tokenizer.ggml.tokens": stringArray([...tokens.slice(0, kept), ...controls]),
        "tokenizer.ggml.token_type": int32Array([...types.slice(0, kept), ...controls.map(() => CONTROL)]),
        "tokenizer.ggml.merges": stringArray(merges.filter((merge) => !replaced.has(merge.replace(" ", "")))),
        "tokenizer.chat_template": CHAT_ML,
      },
    }),
  );
  return llama.loadModel({ modelPath });
}
