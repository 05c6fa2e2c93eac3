"""How often a call-back was tried in vain."""

import sqlalchemy as sa
from alembic import op

revision = "0007_call_tries"
down_revision = "0006_training"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("call_back", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("call_back", schema=None) as batch_op:
        batch_op.alter_column("tries", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("call_back", schema=None) as batch_op:
        batch_op.drop_column("tries")
