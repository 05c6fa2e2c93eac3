"""How replies to WeChat go out, signatures seen, notices missed."""

import sqlalchemy as sa
from alembic import op

revision = "0003_platform"
down_revision = "0002_platform"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_signature",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("signature", sa.String(length=40), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "signature", name=op.f("pk_platform_signature")),
    )
    with op.batch_alter_table("platform_signature", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_platform_signature_at"), ["at"], unique=False)

    op.create_table(
        "platform_answer",
        sa.Column("inbox_id", sa.Integer(), nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.Column("queued", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbox_id"],
            ["inbox.id"],
            name=op.f("fk_platform_answer_inbox_id_inbox"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inbox_id", name=op.f("pk_platform_answer")),
    )
    op.create_table(
        "platform_missed",
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("resident_id", sa.Integer(), nullable=False),
        sa.Column("shown_in", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_id"],
            ["outbox.id"],
            name=op.f("fk_platform_missed_outbox_id_outbox"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["resident_id"], ["resident.id"], name=op.f("fk_platform_missed_resident_id_resident")
        ),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_platform_missed")),
    )
    with op.batch_alter_table("platform_missed", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_platform_missed_resident_id"), ["resident_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("platform_missed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_platform_missed_resident_id"))

    op.drop_table("platform_missed")
    op.drop_table("platform_answer")
    with op.batch_alter_table("platform_signature", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_platform_signature_at"))

    op.drop_table("platform_signature")
