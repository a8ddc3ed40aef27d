"""NetworkSpec -> Prediction: what the variance should be, without drawing anything."""
