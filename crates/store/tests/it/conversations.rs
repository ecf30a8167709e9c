//! One conversation at a time with one contact, and where it stands.

use chrono::TimeDelta;
use db::TenantTx;
use domain::{
    AssignReason, ChannelKind, Clock, ConversationId, ConversationStatus, Direction, MessageId,
    UnansweredReason,
};
use serde_json::json;
use store::contacts;
use store::conversations::{self, Assignment, Conversation, Standing};
use store::messages::{self, NewInbound, NewWords};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contacts_who_write_twice_at_once_have_one_conversation() {
    let world = World::new().await;
    let channel = world.channel(ChannelKind::Webchat, None).await;
    // None yet, and one of each status: each is met by several at the same instant.
    for status in [None, Some("resolved"), Some("waiting"), Some("closed")] {
        if let Some(status) = status {
            sqlx::query("UPDATE conversations SET status = $1")
                .bind(status)
                .execute(world.database.pool())
                .await
                .unwrap();
        }
        let opening = (0..8).map(|_| {
            let (db, tenant) = (world.db.clone(), world.one);
            tokio::spawn(async move {
                let mut tx = db.tenant(tenant).await.unwrap();
                let contact = contacts::upsert(&mut tx, channel, "v", "v", None).await;
                let opened = conversations::open(&mut tx, channel, contact.unwrap()).await;
                tx.commit().await.unwrap();
                opened.unwrap()
            })
        });
        let mut opened: Vec<Conversation> = Vec::new();
        for opening in opening.collect::<Vec<_>>() {
            opened.push(opening.await.unwrap());
        }
        let first = opened[0].id;
        assert!(opened.iter().all(|one| one.id == first), "{status:?}");
        let is_open = |one: &Conversation| one.status == ConversationStatus::Open;
        assert!(opened.iter().all(is_open), "{status:?}");
    }
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM conversations")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    // The first one, and the one after it was closed.
    assert_eq!(all, 2);
}

async fn begin(tx: &mut TenantTx, world: &World) -> Conversation {
    let channel = world.channel(ChannelKind::Webchat, None).await;
    let contact = contacts::upsert(tx, channel, "v", "v", None).await;
    let contact = contact.unwrap();
    conversations::open(tx, channel, contact).await.unwrap()
}

#[tokio::test]
async fn what_a_person_has_is_given_back_with_all_that_was_noted_of_it() {
    let world = World::new().await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let id = begin(&mut tx, &world).await.id;
    let now = Clock::system().now();
    conversations::add_inbound(&mut tx, id, now, true, true)
        .await
        .unwrap();
    let assignment = Assignment {
        reason: AssignReason::Asked,
        to: Some("Kim"),
        at: now,
        release_at: Some(now + TimeDelta::minutes(5)),
    };
    let assigned = conversations::assign(&mut tx, id, &assignment)
        .await
        .unwrap();
    assert_eq!(assigned.answered_turn, assigned.turn_seq);
    tx.commit().await.unwrap();
    let due = async |minutes| {
        let mut tx = world.db.system().await.unwrap();
        let at = now + TimeDelta::minutes(minutes);
        let due = conversations::list_due_for_release(&mut tx, at, 10).await;
        due.unwrap().len()
    };
    assert_eq!((due(4).await, due(6).await), (0, 1));
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let later = Some(now + TimeDelta::minutes(9));
    conversations::postpone_release(&mut tx, id, later)
        .await
        .unwrap();
    let resolved = ConversationStatus::Resolved;
    tx.commit().await.unwrap();
    assert_eq!((due(6).await, due(10).await), (0, 1));
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let given = conversations::set_status(&mut tx, id, resolved)
        .await
        .unwrap();
    assert_eq!((given.assigned_to, given.assign_reason), (None, None));
    assert_eq!((given.assigned_at, given.release_at), (None, None));
    tx.commit().await.unwrap();
    assert_eq!(due(10).await, 0);
}

/// Stores a message of the contact's, which is answered unless there is a reason not to.
async fn write(
    tx: &mut TenantTx,
    conversation: &Conversation,
    name: &str,
    reason: Option<UnansweredReason>,
) -> MessageId {
    let now = Clock::system().now();
    let is_answered = reason.is_none();
    let id = conversation.id;
    let (seq, turn) = conversations::add_inbound(tx, id, now, is_answered, true)
        .await
        .unwrap();
    let new = NewInbound {
        conversation_id: id,
        channel_id: conversation.channel_id,
        seq,
        turn,
        text: name,
        content: json!({"type": "text", "body": name}),
        external_id: name,
        occurred_at: now,
        unanswered_reason: reason,
    };
    messages::insert_inbound(tx, &new).await.unwrap().id
}

#[tokio::test]
async fn a_turn_that_is_settled_leaves_its_reason_on_what_had_none_and_was_not_taken_back() {
    use UnansweredReason::{Ended, Late, WithPerson};
    let world = World::new().await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let begun = begin(&mut tx, &world).await;
    let answered = write(&mut tx, &begun, "answered", None).await;
    conversations::settle_turn(&mut tx, begun.id, None)
        .await
        .unwrap();
    let late = write(&mut tx, &begun, "late", Some(Late)).await;
    let mut open = Vec::new();
    for name in ["one", "two", "gone"] {
        open.push(write(&mut tx, &begun, name, None).await);
    }
    let gone = NewWords {
        contact: begun.contact_id,
        direction: Direction::Inbound,
        external_id: "gone",
        text: "",
        content: &json!({}),
        is_revoked: true,
        at: Clock::system().now(),
    };
    assert!(messages::reword(&mut tx, &gone).await.unwrap().is_some());
    // The second settles what there is no more.
    for reason in [WithPerson, Ended] {
        conversations::settle_turn(&mut tx, begun.id, Some(reason))
            .await
            .unwrap();
    }
    for (id, reason) in [
        (answered, None),
        (late, Some(Late)),
        (open[0], Some(WithPerson)),
        (open[1], Some(WithPerson)),
        (open[2], None),
    ] {
        let message = messages::get(&mut tx, id).await.unwrap();
        assert_eq!(message.unanswered_reason, reason, "{}", message.seq);
    }
    let settled = conversations::get(&mut tx, begun.id).await.unwrap();
    assert_eq!((settled.answered_turn, settled.turn_seq), (4, 4));
}

#[tokio::test]
async fn where_conversations_stand_is_told_of_those_of_the_tenant_named_alone() {
    let world = World::new().await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let begun = begin(&mut tx, &world).await;
    conversations::raise_turn(&mut tx, begun.id).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.system().await.unwrap();
    let wanted = [
        (world.one, begun.id),
        (world.other, begun.id),
        (world.one, ConversationId::new()),
    ];
    let found = conversations::list_standing(&mut tx, &wanted)
        .await
        .unwrap();
    let standing = Standing {
        turn_seq: 1,
        ..begun.standing()
    };
    assert_eq!(found, [(begun.id, standing)]);
    assert_eq!(begun.turn_seq, 0);
    let none = conversations::list_standing(&mut tx, &wanted[1..]).await;
    assert_eq!(none.unwrap(), []);
}
