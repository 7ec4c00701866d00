/* SPDX-License-Identifier: MIT */
/*
 * The parts of `sjupyter doctor`: on this host (doctor_here.c), by a short job (doctor_job.c),
 * and in that job on a compute node (doctor_node.c).  As the user.
 */
#ifndef SJUPYTER_DOCTOR_H
#define SJUPYTER_DOCTOR_H

#include "launcher/settings.h"
#include "launcher/sjupyter/checks.h"

/* Bytes of a name by which a file here and its reader on the node know each other: hexadecimal
 * digits, NUL included. */
enum { DOCTOR_NONCE_MAX = 33 };

/* The plugin in sbatch; the config file; our programs; munge; the state directory. */
void doctor_here(struct checks *checks, const char *config);

/* Runs this program on a compute node by srun, with srun's options in front, and takes its
 * findings. */
void doctor_job(struct checks *checks, const char *config, char *const srun_options[]);

/* In that job: the body of the task. */
void doctor_node(struct checks *checks, const char *config, const char *nonce);

/* On the node: whether what the kinds of workers run is there, in Python its modules. */
void doctor_check_kinds(struct checks *checks, const struct settings *settings);

/* Shared by here and node: */

/* Loads the settings and says so; NULL when that failed. */
struct settings *doctor_check_config(struct checks *checks, const char *config,
				     const char *what);
void doctor_check_programs(struct checks *checks, const char *what);
void doctor_check_munge(struct checks *checks, const char *what);
/* The JupyterHub that sessions are told to, and whether it hears them. */
void doctor_check_hub(struct checks *checks, const struct settings *settings, const char *what);

/* The directory of all sessions, made when it is missing; an fd, or -1 and a reason. */
int doctor_open_state(struct reason *reason);

/* The name of the file that is to be seen on both sides. */
enum { DOCTOR_FILE_MAX = 64 };
void doctor_file_name(const char *nonce, char name[DOCTOR_FILE_MAX]);

#endif
