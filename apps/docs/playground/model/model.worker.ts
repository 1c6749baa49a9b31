import { fetchModel } from "./fetch-model.js";
import { ReadingSession } from "./reading-session.js";
import type { Request } from "./worker-protocol.js";

const session = new ReadingSession({
  loadModel: fetchModel,
  post: (report) => {
    self.postMessage(report);
  },
});

self.onmessage = ({ data }: MessageEvent<Request>) => {
  void session.handle(data);
};
