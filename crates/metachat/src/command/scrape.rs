use anyhow::Context as _;
use config::Config;
use telemetry::metrics::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The metrics of this process, and the listener of their own if one is set.
pub(crate) struct Scrape {
    pub(crate) registry: Registry,
    end: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Scrape {
    /// Begins to serve metrics where the configuration says; a taken port is told at once.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let registry = Registry::of_process(env!("CARGO_PKG_VERSION"));
        let end = CancellationToken::new();
        let serving = match config.server.metrics_listen {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(address).await.with_context(|| {
                    format!("{address} cannot be listened on (METACHAT_METRICS_LISTEN)")
                })?;
                tracing::info!(address = %listener.local_addr()?, "metrics are served");
                let served =
                    api::serve_metrics(listener, registry.clone(), end.clone().cancelled_owned());
                Some(tokio::spawn(async move {
                    if let Err(error) = served.await {
                        tracing::error!(%error, "metrics are not served any more");
                    }
                }))
            }
        };
        Ok(Self {
            registry,
            end,
            serving,
        })
    }

    /// Serves no longer: the last thing of a process, so that its drain can be watched.
    pub(crate) async fn stop(self) {
        self.end.cancel();
        if let Some(serving) = self.serving {
            serving.await.ok();
        }
    }
}
