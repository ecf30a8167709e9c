//! The codes and phrases by which providers' refusals are told apart.

/// Codes and types of refusals that no wait ends: somebody has to pay, or to raise a limit.
///
/// Source: learn.microsoft.com, Dev Proxy's list of OpenAI errors; platform.claude.com, API errors;
/// 2026-11.
pub(super) const QUOTA_CODES: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_error",
    "enforced_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable",
];

/// The same where only the text says so, in lower case: Anthropic answers a 400 of its most common
/// type.
pub(super) const QUOTA_TEXTS: &[&str] = &[
    "you have reached your specified api usage limits",
    "you have reached your specified workspace api usage limits",
    "your credit balance is too low",
];

/// Codes and types of models that are not there, or not for this key.
///
/// Source: OpenAI's, Groq's, Mistral's and Azure's answers as users report them, 2026-11.
pub(super) const MISSING_CODES: &[&str] = &[
    "model_not_found",
    "model_decommissioned",
    "invalid_model",
    "DeploymentNotFound",
];

/// The same where only the text says so, in lower case: `DeepSeek`, `OpenRouter` and `LiteLLM` do with a
/// 400.
pub(super) const MISSING_TEXTS: &[&str] = &[
    "invalid model name",
    "invalid model id",
    "is not a valid model id",
    "model not exist",
];

/// What names a model that is not there, in lower case, beside the word `model`.
pub(super) const NOT_THERE: &[&str] = &["not found", "does not exist", "try pulling"];

/// Codes of something in the request that this model or server does not take, and another may.
///
/// Source: OpenAI's answers as users report them, 2026-11.
pub(super) const UNSUPPORTED_CODES: &[&str] = &[
    "unsupported_parameter",
    "unsupported_value",
    "unknown_parameter",
    "model_not_supported",
];

/// The same where only the text says so, in lower case.
///
/// Source: answers of OpenAI, Anthropic, Ollama, vLLM, Groq, `OpenRouter` and Gemini as users report
/// them, 2026-11.
pub(super) const UNSUPPORTED_TEXTS: &[&str] = &[
    "not supported",
    "not support ",
    "doesn't support",
    "unsupported parameter",
    "unsupported value",
    "unknown parameter",
    "unrecognized request argument",
    "extra inputs are not permitted",
    "is deprecated for this model",
    "is not enabled for",
    "is not a multimodal model",
    "only supported by certain models",
    "tool choice requires --",
    "no endpoints found that support",
    "this model supports at most",
    "maximum allowed number of output tokens",
];

/// What servers without a code for it write when a request is too long, in lower case.
pub(super) const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context length exceeded",
    "context_length_exceeded",
    "context window",
    "prompt is too long",
    "exceeds the available context size",
    "exceeds the context length",
    "exceeds maximum context length",
    "reduce the length of the messages",
];
