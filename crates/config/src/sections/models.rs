use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::section::section;

section! {
    /// The model providers for tenants that bring no key of their own.
    Models, "Models";

    /// Key to OpenAI or a server that speaks its language. Not set: tenants without their own key get the
    /// built-in answerer.
    "METACHAT_OPENAI_API_KEY" => openai_api_key: Option<SecretString>;

    /// Where OpenAI, or a server that speaks its language, is.
    "METACHAT_OPENAI_BASE_URL" = "https://api.openai.com/v1" => openai_base_url: Url;

    /// Whether the server at `METACHAT_OPENAI_BASE_URL` has the Responses API too, `true` or `false`, as
    /// a gateway to OpenAI may. OpenAI's own address has it in any case.
    "METACHAT_OPENAI_RESPONSES" = "false" => openai_responses: bool;

    /// Key to Anthropic. Not set: tenants need their own to use it.
    "METACHAT_ANTHROPIC_API_KEY" => anthropic_api_key: Option<SecretString>;

    /// Where Anthropic is.
    "METACHAT_ANTHROPIC_BASE_URL" = "https://api.anthropic.com" => anthropic_base_url: Url;

    /// Where the Ollama server is. It is called only for tenants that chose it.
    "METACHAT_OLLAMA_URL" = "http://127.0.0.1:11434" => ollama_url: Url;

    /// Tokens of context that the Ollama server gives a model. Not set: the server's own setting, which
    /// may be as low as 4096. Longer requests lose their beginning.
    "METACHAT_OLLAMA_CONTEXT_TOKENS" => ollama_context_tokens: Option<NonZeroU32>;

    /// Seconds for which the Ollama server keeps a model in memory after an answer. 0: not at all. Not
    /// set: the server's own setting, 5 minutes unless changed.
    "METACHAT_OLLAMA_KEEP_ALIVE_SECONDS" => ollama_keep_alive_seconds: Option<u32>;

    /// Seconds that an Ollama server, a tenant's own included, may take to load a model and begin an
    /// answer.
    "METACHAT_OLLAMA_FIRST_TOKEN_SECONDS" = "300" => ollama_first_token: Duration;
}
