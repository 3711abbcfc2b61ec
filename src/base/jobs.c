/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jobs.h"

#include "base/mem.h"
#include "base/queue.h"
#include "base/thread.h"

#define POP_MS 60000

struct job {
	void (*run)(void *context);
	void *context;
};

struct jobs {
	struct thread thread;
	struct queue queue;
	atomic_size_t left;
	int wake_fd;
};

static void run_jobs(void *context)
{
	struct jobs *jobs = context;

	while (!queue_is_finished(&jobs->queue)) {
		struct job *job = queue_pop(&jobs->queue, POP_MS);

		if (!job)
			continue;
		job->run(job->context);
		free(job);
		if (atomic_fetch_sub(&jobs->left, 1) == 1)
			wakeup_send(jobs->wake_fd);
	}
}

int jobs_start(const char *name, int wake_fd, struct jobs **ret_jobs, struct error *err)
{
	struct jobs *jobs = mem_calloc(1, sizeof *jobs);

	jobs->wake_fd = wake_fd;
	queue_init(&jobs->queue, 8);
	if (thread_start(&jobs->thread, name, run_jobs, jobs, err) < 0) {
		jobs_stop(jobs);
		return -1;
	}
	*ret_jobs = jobs;
	return 0;
}

struct jobs *jobs_stop(struct jobs *jobs)
{
	if (!jobs)
		return NULL;
	queue_close(&jobs->queue);
	thread_join(&jobs->thread);
	queue_done(&jobs->queue);
	free(jobs);
	return NULL;
}

void jobs_add(struct jobs *jobs, void (*run_job)(void *context), void *context)
{
	struct job *job = mem_alloc(sizeof *job);

	*job = (struct job){ .run = run_job, .context = context };
	atomic_fetch_add(&jobs->left, 1);
	queue_push(&jobs->queue, job);
}

size_t jobs_left(struct jobs *jobs)
{
	return atomic_load(&jobs->left);
}
