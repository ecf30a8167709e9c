//! Runs one stand-in server as a process of its own; its URL is printed as a line of JSON once it listens.

use std::io::{self, Write};
use std::num::NonZeroU32;

use clap::{Args, Parser, Subcommand};
use testkit::standin::{
    AnthropicServer, GraphOptions, GraphServer, ModelOptions, OllamaServer, OpenAiServer, Receiver,
    StatusWebhook,
};

/// Stand-in servers of the test kit.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// Meta's Graph API.
    Graph {
        /// The port on 127.0.0.1, 0 for any free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// The only bearer token it accepts; any without it.
        #[arg(long)]
        token: Option<String>,
        /// The webhook address that statuses are posted to.
        #[arg(long, requires = "app_secret")]
        statuses_to: Option<String>,
        /// The secret that signs statuses.
        #[arg(long)]
        app_secret: Option<String>,
    },
    /// OpenAI's API.
    Openai(Models),
    /// Anthropic's API.
    Anthropic(Models),
    /// An Ollama server.
    Ollama(Models),
    /// A receiver of webhooks.
    Receiver {
        /// The port on 127.0.0.1, 0 for any free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

/// How a provider of models is set up.
#[derive(Args)]
struct Models {
    /// The port on 127.0.0.1, 0 for any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The only API key it accepts; any without it.
    #[arg(long)]
    api_key: Option<String>,
    /// The pace of streams; at once without it.
    #[arg(long)]
    tokens_per_second: Option<NonZeroU32>,
}

impl From<Models> for ModelOptions {
    fn from(models: Models) -> Self {
        Self {
            port: models.port,
            api_key: models.api_key,
            tokens_per_second: models.tokens_per_second,
        }
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    match Arguments::parse().server {
        Server::Graph {
            port,
            token,
            statuses_to,
            app_secret,
        } => {
            let statuses_to = statuses_to
                .zip(app_secret)
                .map(|(url, app_secret)| StatusWebhook { url, app_secret });
            let server = GraphServer::start(GraphOptions {
                port,
                token,
                statuses_to,
            })
            .await?;
            serve(server.url()).await
        }
        Server::Openai(models) => {
            let server = OpenAiServer::start(models.into()).await?;
            serve(server.url()).await
        }
        Server::Anthropic(models) => {
            let server = AnthropicServer::start(models.into()).await?;
            serve(server.url()).await
        }
        Server::Ollama(models) => {
            let server = OllamaServer::start(models.into()).await?;
            serve(server.url()).await
        }
        Server::Receiver { port } => {
            let server = Receiver::start(port).await?;
            serve(server.url()).await
        }
    }
}

/// Prints the URL and then keeps the process until it is told to end.
async fn serve(url: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::json!({"url": url}))?;
    io::stdout().flush()?;
    tokio::signal::ctrl_c().await
}
