// A server of aimock, which speaks the formats of OpenAI, Anthropic and Ollama; prints its URL once
// it listens.
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ port: 0 });
mock.onMessage("When do you open?", { content: "We open at nine, 東京 🎉." });
mock.on({ userMessage: "Find it", hasToolResult: true }, { content: "30 days." });
mock.on(
  { userMessage: "Find it" },
  {
    toolCalls: [{ name: "search_knowledge_base", arguments: '{"query":"Rückgabe"}' }],
    reasoning: "The customer asks about returns.",
  },
);
mock.onMessage("Too much", {
  error: { message: "slow down", type: "rate_limit_error", code: "rate_limit_exceeded" },
  status: 429,
  retryAfter: 300,
});
mock.onMessage("Wrong key", {
  error: { message: "no such key", type: "authentication_error", code: "invalid_api_key" },
  status: 401,
});
mock.onEmbedding(/./, { embedding: [0.25, 0.5, 1] });
await mock.start();
console.log(JSON.stringify({ url: mock.url }));
