"""Access tokens, send quotas and choices of the platform clients."""

import sqlalchemy as sa
from alembic import op

revision = "0002_platform"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_choice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("batch", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_choice")),
    )
    with op.batch_alter_table("platform_choice", schema=None) as batch_op:
        batch_op.create_index("ix_platform_choice_user", ["channel", "user", "id"], unique=False)

    op.create_table(
        "platform_consent",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("template_id", sa.String(length=100), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "user", "template_id", name=op.f("pk_platform_consent")),
    )
    op.create_table(
        "platform_rate",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_platform_rate")),
    )
    op.create_table(
        "platform_send",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_send")),
    )
    with op.batch_alter_table("platform_send", schema=None) as batch_op:
        batch_op.create_index("ix_platform_send_key_at", ["key", "at"], unique=False)

    op.create_table(
        "platform_token",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.String(length=600), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(length=60), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.Column("forced_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform_token")),
    )
    op.create_table(
        "platform_window",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("message_until", sa.DateTime(), nullable=True),
        sa.Column("message_left", sa.Integer(), nullable=False),
        sa.Column("tap_until", sa.DateTime(), nullable=True),
        sa.Column("tap_left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "user", name=op.f("pk_platform_window")),
    )
    op.create_table(
        "platform_card",
        sa.Column("task_id", sa.String(length=128), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("response_code", sa.String(length=200), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_platform_card_ticket_id_ticket")
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_platform_card")),
    )
    with op.batch_alter_table("platform_card", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_platform_card_ticket_id"), ["ticket_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("platform_card", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_platform_card_ticket_id"))

    op.drop_table("platform_card")
    op.drop_table("platform_window")
    op.drop_table("platform_token")
    with op.batch_alter_table("platform_send", schema=None) as batch_op:
        batch_op.drop_index("ix_platform_send_key_at")

    op.drop_table("platform_send")
    op.drop_table("platform_rate")
    op.drop_table("platform_consent")
    with op.batch_alter_table("platform_choice", schema=None) as batch_op:
        batch_op.drop_index("ix_platform_choice_user")

    op.drop_table("platform_choice")
