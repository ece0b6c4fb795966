"""Behaviour of FeedAdapter and EasMirror."""
