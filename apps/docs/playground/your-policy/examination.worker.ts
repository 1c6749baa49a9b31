import { policyLaws } from "@kvpolicy/conformance";

import type { ExaminationRequest, Finding, ModelText } from "./examination.js";
import { examinePolicy } from "./examine-policy.js";
import { withoutNetwork } from "./without-network.js";

const scope = self as unknown as DedicatedWorkerGlobalScope;

const tell = scope.postMessage.bind(scope) as (finding: Finding) => void;

withoutNetwork(scope);

function receive<Message>(): Promise<Message> {
  return new Promise((resolve) => {
    scope.onmessage = ({ data }: MessageEvent<Message>) => {
      resolve(data);
    };
  });
}

function receiveModel(): Promise<ModelText | undefined> {
  tell({ kind: "needs the model" });
  return receive();
}

void receive<ExaminationRequest>().then((request) => examinePolicy(request, tell, receiveModel));

tell({ kind: "ready", laws: policyLaws.map(({ group, name, why }) => ({ group, name, why })) });
