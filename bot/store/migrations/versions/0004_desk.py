"""Tokens that work once: forms sent, log-ins ended."""

import sqlalchemy as sa
from alembic import op

revision = "0004_desk"
down_revision = "0003_platform"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spent_token",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_spent_token")),
    )
    with op.batch_alter_table("spent_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_spent_token_at"), ["at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("spent_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_spent_token_at"))
    op.drop_table("spent_token")
