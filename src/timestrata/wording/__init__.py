"""What pages, charts and reports say: every English string, a module for each part, and figures as people read them."""
