"""Names of the matters' categories (事项类别); the items of each stand in community.yml."""

from __future__ import annotations

CATEGORY_NAMES = {
    "housing": "住房",
    "medical": "医疗",
    "employment": "就业",
    "elderly_care": "养老",
    "education": "教育",
    "dispute": "矛盾纠纷",
    "family_crisis": "家庭变故",
    "emergency": "紧急求助",
    "other_service": "其他事项",
}


def category_name(key: str) -> str:
    """「住房」; a category that is not known by name shows as it is."""
    return CATEGORY_NAMES.get(key, key)
