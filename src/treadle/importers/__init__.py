"""First plans: drafts of plans from what lies in a folder, in other tools' words or in none."""
