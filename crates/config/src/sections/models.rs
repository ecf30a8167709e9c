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

    /// Key to Anthropic. Not set: tenants need their own to use it.
    "METACHAT_ANTHROPIC_API_KEY" => anthropic_api_key: Option<SecretString>;

    /// Where Anthropic is.
    "METACHAT_ANTHROPIC_BASE_URL" = "https://api.anthropic.com" => anthropic_base_url: Url;

    /// Where the Ollama server is. It is called only for tenants that chose it.
    "METACHAT_OLLAMA_URL" = "http://127.0.0.1:11434" => ollama_url: Url;
}
