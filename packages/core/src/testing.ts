export {
  cellContent,
  FakeBackend,
  predictNll,
  type FakeBackendOptions,
  type FakeCall,
  type FakeSampling,
} from "./testing/fake-backend.js";
