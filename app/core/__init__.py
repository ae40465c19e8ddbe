"""What every module stands on: configuration, database, money, ids, clock, errors, logins, event log, jobs. No business."""
