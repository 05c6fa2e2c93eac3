"""What a message means: components for Rasa."""

# Of trained classifiers on disk (`linear.Ensemble`); a version reads its own only.
FORMAT = 3
