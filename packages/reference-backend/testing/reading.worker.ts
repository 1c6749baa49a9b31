import { read } from "./reading.js";

self.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
  void read(data).then((reading) => {
    self.postMessage(reading);
  });
};
