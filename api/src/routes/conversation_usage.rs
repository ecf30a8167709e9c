use assistant::spending::{ConversationReport, report_of_conversation};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use store::conversations;
use uuid::Uuid;

use super::Tag;
use super::usage::{ModelSum, PurposeSum, SumView};
use crate::Problem;
use crate::answer::{Answer, Found};
use crate::auth::Auth;

/// What the calls to models made for one conversation took and cost.
#[derive(Debug, Object)]
#[oai(rename = "ConversationUsage")]
struct ConversationUsageView {
    /// All calls together.
    totals: SumView,
    /// The calls of each account and model.
    by_model: Vec<ModelSum>,
    /// The calls by what they were for.
    by_purpose: Vec<PurposeSum>,
    /// Whether these are all that were ever made; `false`: the conversation is older than what is
    /// kept of calls, so earlier ones may be missing.
    is_whole: bool,
}

pub(crate) struct ConversationUsageRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Usage")]
impl ConversationUsageRoutes {
    /// Get a conversation's usage
    ///
    /// What calls to models made for the conversation took and cost, as far as calls are kept: those
    /// whose answers were dropped, too. A call without a price has no known cost and is counted in
    /// `unpriced_calls`.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/usage",
        method = "get",
        operation_id = "get_conversation_usage"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationUsageView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let conversation = conversations::get(&mut tx, conversation_id.0.into()).await?;
        let assistant = &auth.0.state().assistant;
        let report = report_of_conversation(assistant, &mut tx, &conversation).await?;
        Ok(Answer(ConversationUsageView::new(report)))
    }
}

impl ConversationUsageView {
    fn new(report: ConversationReport) -> Self {
        Self {
            totals: SumView::new(report.sums.totals),
            by_model: ModelSum::all(report.sums.by_model),
            by_purpose: PurposeSum::all(report.sums.by_purpose),
            is_whole: report.is_whole,
        }
    }
}
